//! The Rust files of a folder, and what in them is for tests only. The tests that read code share this file.

use std::path::{Path, PathBuf};

/// Every Rust file under a folder, in order.
pub(crate) fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A file as syntax.
pub(crate) fn parsed(path: &Path) -> anyhow::Result<syn::File> {
    syn::parse_file(&std::fs::read_to_string(path)?).map_err(|error| anyhow::anyhow!("`{}`: {error}", path.display()))
}

/// Whether what has these attributes is there for tests only.
pub(crate) fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}
