//! book
pub struct Book; pub struct BookLevel;
