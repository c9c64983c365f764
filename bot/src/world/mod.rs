//! The real world behind the contract's ports: HTTP, programs, and kept files.

mod files;
mod launcher;
mod wire;

pub use files::Folder;
pub use launcher::Programs;
pub use wire::Internet;
