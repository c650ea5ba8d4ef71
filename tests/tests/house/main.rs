//! What holds of the house as a whole and no lint knows: which way the arrows between files run, and how long a file is.

mod imports;

use std::path::{Path, PathBuf};

use imports::{Imports, Module, rust_files};

/// The wings of `domain`: a file imports from its own and from those before it.
const WINGS: [&str; 5] = ["base", "access", "spend", "settings", "notice"];

/// Lines of a file, at the very most.
const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders of every crate of the workspace.
fn crates() -> anyhow::Result<Vec<PathBuf>> {
    let mut crates = Vec::new();
    for folder in ["functions", "shared", "."] {
        for entry in std::fs::read_dir(root().join(folder))? {
            let path = entry?.path();
            if path.join("Cargo.toml").is_file() && path.join("src").is_dir() {
                crates.push(path);
            }
        }
    }
    anyhow::ensure!(crates.len() > 15, "the workspace's crates are not where this test looks for them");
    Ok(crates)
}

fn named(module: &Module) -> String {
    module.join("::")
}

#[test]
fn no_files_import_one_another_in_a_circle() -> anyhow::Result<()> {
    let mut circles = Vec::new();
    for folder in crates()? {
        let imports = Imports::of(&folder.join("src"))?;
        for circle in imports.circles() {
            let arrows = imports.arrows.iter().filter(|(from, _)| circle.contains(from)).flat_map(|(from, to)| {
                to.iter().filter(|to| circle.contains(to)).map(|to| format!("  {} → {}", named(from), named(to)))
            });
            let arrows: Vec<String> = arrows.collect();
            circles.push(format!("{}:\n{}", folder.display(), arrows.join("\n")));
        }
    }
    assert!(circles.is_empty(), "{} circles\n{}", circles.len(), circles.join("\n"));
    Ok(())
}

#[test]
fn arrows_between_the_wings_of_the_domain_run_one_way() -> anyhow::Result<()> {
    let imports = Imports::of(&root().join("shared/domain/src"))?;
    let wing = |module: &Module| WINGS.iter().position(|wing| module.first().is_some_and(|first| first == wing));
    let mut back = Vec::new();
    let mut forth = 0;
    for (from, to) in imports.arrows.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to))) {
        let (Some(here), Some(there)) = (wing(from), wing(to)) else {
            anyhow::bail!("`{}` → `{}`: a file of no wing", named(from), named(to));
        };
        forth += usize::from(here > there);
        if here < there {
            back.push(format!("{} → {}", named(from), named(to)));
        }
    }
    assert!(back.is_empty(), "{} arrows run back\n{}", back.len(), back.join("\n"));
    assert!(forth > 300, "only {forth} arrows were found: the imports are not read as they are written");
    Ok(())
}

#[test]
fn no_file_is_longer_than_a_reader_holds() -> anyhow::Result<()> {
    for folder in crates()? {
        for part in ["src", "tests", "examples"].map(|part| folder.join(part)).into_iter().filter(|part| part.is_dir())
        {
            for file in rust_files(&part)? {
                let lines = std::fs::read_to_string(&file)?.lines().count();
                assert!(lines <= LINES_MAX, "`{}` has {lines} lines; {LINES_MAX} are the most", file.display());
            }
        }
    }
    Ok(())
}
