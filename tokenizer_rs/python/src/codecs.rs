//! The row codecs of Silksong, for inspection and for checking against published vectors.

use meshloom_tokenizer_core::tokenizer::silksong::window::{DECODED, ENCODED, WINDOW};
use meshloom_tokenizer_core::tokenizer::silksong::{between_layer, in_layer};
use numpy::{PyArray2, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::error::Failure;

/// Vertices in a layer of the published vocabulary; heads are counted from here.
const LAYER_VERTICES: usize = 200;
const HEADS: usize = 256;

/// One row per window: bits, shape, borders (-1 = none), cut (-1 = none), code, bits left, bits decoded.
#[pyfunction]
pub fn silksong_window_table(py: Python<'_>) -> PyResult<Bound<'_, PyArray2<i16>>> {
    let bits_of = |bits: usize| (0..WINDOW).map(move |i| (bits >> i & 1) as i16);
    let rows: Vec<Vec<i16>> = ENCODED
        .iter()
        .enumerate()
        .map(|(bits, entry)| {
            let mut row: Vec<i16> = bits_of(bits).collect();
            row.push(i16::from(entry.shape));
            row.extend((0..3).map(|i| {
                if i < entry.n_borders {
                    i16::from(entry.borders[i])
                } else {
                    -1
                }
            }));
            row.push(entry.cut.map_or(-1, i16::from));
            row.push(i16::from(entry.code));
            row.extend(bits_of(usize::from(entry.left)));
            row.extend(bits_of(usize::from(DECODED[usize::from(entry.code)])));
            row
        })
        .collect();
    Ok(PyArray2::from_vec2(py, &rows)?)
}

/// Token values of each row of a symmetric 0/1 matrix; heads are counted from 200.
#[pyfunction]
pub fn silksong_encode_in_layer(matrix: PyReadonlyArray2<'_, u8>) -> PyResult<Vec<Vec<usize>>> {
    let n = matrix.shape()[0];
    if matrix.shape()[1] != n {
        let failure = Failure::invalid_input("an in-layer matrix must be square");
        return Err(failure.into_error(matrix.py()));
    }
    let matrix = matrix.as_array();
    let encode = |i: usize| {
        let offsets: Vec<usize> = (0..n - 1)
            .filter(|d| matrix[[i, (i + 1 + d) % n]] != 0)
            .collect();
        let (bits, extra) = in_layer::encode_row(n, &offsets);
        [vec![LAYER_VERTICES + usize::from(bits)], extra].concat()
    };
    Ok((0..n).map(encode).collect())
}

/// The matrix written by [`silksong_encode_in_layer`].
#[pyfunction]
pub fn silksong_decode_in_layer(
    py: Python<'_>,
    rows: Vec<Vec<usize>>,
) -> PyResult<Bound<'_, PyArray2<u8>>> {
    let matrix = in_layer::InLayer::decode(&rows, LAYER_VERTICES).ok_or_else(|| {
        Failure::invalid_input("a row has no value or an offset outside it").into_error(py)
    })?;
    let n = matrix.len();
    let mut dense = vec![vec![0; n]; n];
    for (i, row) in dense.iter_mut().enumerate() {
        matrix.row(i).iter().for_each(|&j| row[j as usize] = 1);
    }
    Ok(PyArray2::from_vec2(py, &dense)?)
}

/// Token values of each row of a 0/1 matrix.
#[pyfunction]
pub fn silksong_encode_between_layers(matrix: PyReadonlyArray2<'_, u8>) -> Vec<Vec<usize>> {
    let encode = |row: numpy::ndarray::ArrayView1<'_, u8>| {
        let columns: Vec<u32> = (0..)
            .zip(row)
            .filter(|(_, &x)| x != 0)
            .map(|(c, _)| c)
            .collect();
        let mut values = Vec::new();
        between_layer::encode_row(&columns, |c, code| {
            values.push(LAYER_VERTICES + HEADS + c * DECODED.len() + usize::from(code));
        });
        values
    };
    matrix.as_array().rows().into_iter().map(encode).collect()
}

/// The matrix with `n_columns` columns written by [`silksong_encode_between_layers`].
#[pyfunction]
pub fn silksong_decode_between_layers(
    py: Python<'_>,
    rows: Vec<Vec<usize>>,
    n_columns: usize,
) -> PyResult<Bound<'_, PyArray2<u8>>> {
    let mut dense = vec![vec![0; n_columns]; rows.len()];
    for (row, values) in dense.iter_mut().zip(rows) {
        let codes: Vec<(usize, u8)> = values
            .iter()
            .filter_map(|value| value.checked_sub(LAYER_VERTICES + HEADS))
            .map(|value| (value / DECODED.len(), (value % DECODED.len()) as u8))
            .collect();
        for c in between_layer::decode_row(n_columns, &codes) {
            row[c as usize] = 1;
        }
    }
    Ok(PyArray2::from_vec2(py, &dense)?)
}
