//! The passthrough function's own project, as it travels to the account where it is deployed: the files of the crate
//! `passthrough`, byte for byte what this repository's tests have run.
//!
//! They are no part of a stored task, which would carry them in every version of itself. A task that deploys the
//! function stores their checksums instead, as a file that its first step checks them by; the files are added where a
//! task is downloaded. A release of this product between the two makes that step fail, and the task is then made
//! anew.

use crate::access::tasks::task::content::Artifact;
use crate::base::digest::Digest;

/// The artefact with the checksums, in the format of `sha256sum`.
pub const CHECKSUMS: &str = "passthrough.sha256";

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$((concat!("passthrough/", $name), include_str!(concat!("../../../../../../passthrough/", $name)))),+]
    };
}

/// Name and text of each file. The lock file is the part of the workspace's that the crate needs.
const FILES: [(&str, &str); 15] = files!(
    "Cargo.toml",
    "Cargo.lock",
    "src/approved.rs",
    "src/betas.rs",
    "src/config.rs",
    "src/content.rs",
    "src/event.rs",
    "src/function.rs",
    "src/lib.rs",
    "src/main.rs",
    "src/models.rs",
    "src/refusal.rs",
    "src/relay.rs",
    "src/route.rs",
    "src/upstream.rs",
);

/// The files that a task's commands use beside its own artefacts: the function's project, where the task deploys it.
#[must_use]
pub fn files_beside(artifacts: &[Artifact]) -> &'static [(&'static str, &'static str)] {
    if artifacts.iter().any(|artifact| artifact.name == CHECKSUMS) { &FILES } else { &[] }
}

/// What `sha256sum --check` reads.
pub(super) fn checksums() -> Artifact {
    let line = |(name, text): &(&str, &str)| format!("{}  {name}\n", Digest::of_bytes(text.as_bytes()).hex());
    Artifact::new(CHECKSUMS, FILES.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn passthrough() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../passthrough")
    }

    #[test]
    fn every_source_file_of_the_function_travels_and_no_other() -> std::io::Result<()> {
        let mut there = BTreeSet::from(["passthrough/Cargo.toml".to_owned(), "passthrough/Cargo.lock".to_owned()]);
        for entry in std::fs::read_dir(passthrough().join("src"))? {
            there.insert(format!("passthrough/src/{}", entry?.file_name().to_string_lossy()));
        }
        let travelling: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(travelling, there);
        Ok(())
    }

    #[test]
    fn the_functions_lock_file_is_part_of_the_workspaces() -> std::io::Result<()> {
        let packages = |text: &str| -> BTreeSet<String> {
            let head = |block: &str| block.lines().take_while(|l| !l.starts_with("dependencies")).collect::<String>();
            text.split("[[package]]\n").skip(1).map(head).collect()
        };
        let whole = std::fs::read_to_string(passthrough().join("../Cargo.lock"))?;
        let own = FILES.iter().find(|(name, _)| name.ends_with("Cargo.lock")).map_or("", |(_, text)| text);
        let strange: Vec<String> = packages(own).difference(&packages(&whole)).cloned().collect();
        assert!(!packages(own).is_empty() && strange.is_empty(), "run .ci/passthrough-lock: {strange:?}");
        Ok(())
    }

    #[test]
    fn sha256sum_accepts_the_files_by_their_checksums_and_refuses_any_other() -> std::io::Result<()> {
        let folder = std::env::temp_dir().join(format!("passthrough-sources-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("passthrough/src"))?;
        for (name, text) in FILES {
            std::fs::write(folder.join(name), text)?;
        }
        std::fs::write(folder.join(CHECKSUMS), checksums().content)?;
        let check = || std::process::Command::new("sha256sum").args(["-c", CHECKSUMS]).current_dir(&folder).output();
        assert!(check()?.status.success());
        std::fs::write(folder.join("passthrough/src/approved.rs"), "")?;
        assert!(!check()?.status.success());
        std::fs::remove_dir_all(&folder)
    }
}
