//! The real world behind the contract's ports: HTTP, programs, kept files, and mirrors.

mod files;
mod launcher;
mod mirrors;
mod publish;
mod wire;

pub use files::Folder;
pub use launcher::Programs;
pub use mirrors::Clones;
pub use wire::Internet;
