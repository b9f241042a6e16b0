//! Columns of an Arrow record batch, made through pyarrow's own constructors.

use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::Failure;

/// Named columns of equal length, in order.
pub struct Columns<'py> {
    arrow: Bound<'py, PyModule>,
    columns: Bound<'py, PyDict>,
}

impl<'py> Columns<'py> {
    /// No columns yet.
    pub fn new(py: Python<'py>) -> PyResult<Self> {
        Ok(Self {
            arrow: py.import("pyarrow")?,
            columns: PyDict::new(py),
        })
    }

    /// Adds a column of text.
    pub fn texts<'a>(
        &self,
        name: &str,
        values: impl Iterator<Item = Option<&'a str>>,
    ) -> PyResult<()> {
        let text = self.arrow.call_method0("string")?;
        self.array(name, values.collect::<Vec<_>>(), text)
    }

    /// Adds a column of `int64`.
    pub fn numbers(&self, name: &str, values: impl Iterator<Item = Option<i64>>) -> PyResult<()> {
        let (values, mask): (Vec<i64>, Vec<bool>) = values
            .map(|value| (value.unwrap_or(0), value.is_none()))
            .unzip();
        let py = self.arrow.py();
        let keywords = PyDict::new(py);
        keywords.set_item("mask", mask.into_pyarray(py))?;
        let arguments = (values.into_pyarray(py),);
        let column = self
            .arrow
            .call_method("array", arguments, Some(&keywords))?;
        self.columns.set_item(name, column)
    }

    /// Adds a column of `bool`.
    pub fn booleans(&self, name: &str, values: impl Iterator<Item = Option<bool>>) -> PyResult<()> {
        let boolean = self.arrow.call_method0("bool_")?;
        self.array(name, values.collect::<Vec<_>>(), boolean)
    }

    /// Adds a column of `map<string, int64>`.
    pub fn counts(
        &self,
        name: &str,
        values: impl Iterator<Item = Option<Vec<(&'static str, i64)>>>,
    ) -> PyResult<()> {
        let py = self.arrow.py();
        let mut ends = vec![0_i32];
        let mut is_null = Vec::new();
        let mut text: Vec<u8> = Vec::new();
        let mut text_ends = vec![0_i32];
        let mut numbers: Vec<i64> = Vec::new();
        for row in values {
            is_null.push(row.is_none());
            for (key, number) in row.unwrap_or_default() {
                text.extend(key.as_bytes());
                text_ends.push(offset(py, text.len())?);
                numbers.push(number);
            }
            ends.push(offset(py, numbers.len())?);
        }
        // A row is null where its start is; the end of the last row comes after all of them.
        is_null.push(false);
        let keywords = PyDict::new(py);
        keywords.set_item("mask", is_null.into_pyarray(py))?;
        let starts = (ends.into_pyarray(py),);
        let starts = self.arrow.call_method("array", starts, Some(&keywords))?;
        let buffer = |value: Bound<'py, PyAny>| self.arrow.call_method1("py_buffer", (value,));
        let keys = self.arrow.getattr("StringArray")?.call_method1(
            "from_buffers",
            (
                numbers.len(),
                buffer(text_ends.into_pyarray(py).into_any())?,
                buffer(text.into_pyarray(py).into_any())?,
            ),
        )?;
        let numbers = self
            .arrow
            .call_method1("array", (numbers.into_pyarray(py),))?;
        let maps = self.arrow.getattr("MapArray")?;
        let column = maps.call_method1("from_arrays", (starts, keys, numbers))?;
        self.columns.set_item(name, column)
    }

    /// Adds a column of `list<int32>`; Arrow copies neither offsets nor values.
    pub fn lists<'a>(
        &self,
        name: &str,
        rows: impl Iterator<Item = Option<&'a [i32]>>,
    ) -> PyResult<()> {
        let py = self.arrow.py();
        let mut offsets = vec![0_i32];
        let mut values: Vec<i32> = Vec::new();
        let mut mask: Vec<bool> = Vec::new();
        for row in rows {
            mask.push(row.is_none());
            values.extend(row.unwrap_or_default());
            offsets.push(offset(py, values.len())?);
        }
        let array = |value: Bound<'py, PyAny>| self.arrow.call_method1("array", (value,));
        let keywords = PyDict::new(py);
        keywords.set_item("mask", array(mask.into_pyarray(py).into_any())?)?;
        let arguments = (
            array(offsets.into_pyarray(py).into_any())?,
            array(values.into_pyarray(py).into_any())?,
        );
        let lists = self.arrow.getattr("ListArray")?;
        let column = lists.call_method("from_arrays", arguments, Some(&keywords))?;
        self.columns.set_item(name, column)
    }

    /// Adds a column whose values are the rows of a record batch, null where `is_null`.
    pub fn structs(
        &self,
        name: &str,
        batch: &Bound<'py, PyAny>,
        is_null: Vec<bool>,
    ) -> PyResult<()> {
        let py = self.arrow.py();
        let keywords = PyDict::new(py);
        keywords.set_item(
            "fields",
            batch
                .getattr("schema")?
                .try_iter()?
                .collect::<PyResult<Vec<_>>>()?,
        )?;
        let mask = self
            .arrow
            .call_method1("array", (is_null.into_pyarray(py),))?;
        keywords.set_item("mask", mask)?;
        let structs = self.arrow.getattr("StructArray")?;
        let arguments = (batch.getattr("columns")?,);
        let column = structs.call_method("from_arrays", arguments, Some(&keywords))?;
        self.columns.set_item(name, column)
    }

    /// The columns as a `pyarrow.RecordBatch`.
    pub fn into_batch(self) -> PyResult<Bound<'py, PyAny>> {
        let batch = self.arrow.getattr("RecordBatch")?;
        batch.call_method1("from_pydict", (self.columns,))
    }

    fn array(
        &self,
        name: &str,
        values: impl IntoPyObject<'py>,
        kind: Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let column = self.arrow.call_method1("array", (values, kind))?;
        self.columns.set_item(name, column)
    }
}

/// A place in the values of a column, as Arrow stores it.
fn offset(py: Python<'_>, n_values: usize) -> PyResult<i32> {
    i32::try_from(n_values).map_err(|_| {
        let message = "more than 2^31 tokens in a batch; give fewer meshes at a time";
        Failure::invalid_input(message).into_error(py)
    })
}
