//! What holds of the house as a whole and no lint knows: which way the arrows between files run, and how long a file
//! is.

mod files;
mod imports;

use std::path::{Path, PathBuf};

use files::rust_files;
use imports::{Imports, Module};

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

/// The file or folder that the architecture page means by a path in its text.
fn named_in_architecture(path: &str) -> PathBuf {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match first {
        "domain" | "store" | "lambda" => root().join("shared").join(first).join("src").join(rest),
        function if root().join("functions").join(function).is_dir() => {
            root().join("functions").join(function).join("src").join(rest)
        }
        _ => root().join(path),
    }
}

#[test]
fn every_path_that_the_architecture_names_is_there() -> anyhow::Result<()> {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    // Every second piece between fences is a drawing, and every second one between backticks is code.
    let text: String = page.split("```").step_by(2).collect();
    let is_path = |code: &&str| {
        let has_an_end = [".rs", ".py", ".yaml", "/"].iter().any(|end| code.ends_with(end));
        (code.contains('/') || has_an_end) && code.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
    };
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(is_path).collect();
    let missing: Vec<&&str> = named.iter().filter(|path| !named_in_architecture(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
    assert!(named.len() > 50, "only {} paths were found: the page is not read as it is written", named.len());
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
