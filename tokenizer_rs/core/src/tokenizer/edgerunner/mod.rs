//! The EdgeRunner family (arXiv 2409.18114).
