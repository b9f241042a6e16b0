//! Errors as one Python class with a code.

use std::panic::{catch_unwind, AssertUnwindSafe};

use meshloom_tokenizer_core as core;
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

create_exception!(
    tokenizer_rs,
    MeshError,
    PyValueError,
    "A file, mesh or token sequence was refused; `code` is the stable name of the reason."
);

/// A code and a message, on its way to Python.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Stable name of the reason.
    pub code: &'static str,
    /// What was found and what to do.
    pub message: String,
}

impl Failure {
    /// Input of the wrong shape or type.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self {
            code: "INVALID_INPUT",
            message: message.into(),
        }
    }

    /// The Python exception object.
    pub fn into_object<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let object = py.get_type::<MeshError>().call1((self.message,))?;
        object.setattr("code", self.code)?;
        Ok(object)
    }

    /// The Python exception, to be raised.
    pub fn into_error(self, py: Python<'_>) -> PyErr {
        match self.into_object(py) {
            Ok(object) => PyErr::from_value(object),
            Err(error) => error,
        }
    }
}

impl From<core::MeshError> for Failure {
    fn from(error: core::MeshError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

/// Runs `work` without the GIL; a panic, which would be a defect here, becomes an error with code INTERNAL.
pub fn guarded<R: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> core::Result<R> + Send,
) -> Result<R, Failure> {
    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(result) => result.map_err(Failure::from),
        Err(_) => Err(Failure::from(core::MeshError::Defect)),
    }
}
