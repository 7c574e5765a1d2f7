//! Finding the program of a command before anything is started, so that what is missing can be named.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Why there is nothing to start.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("the command is empty")]
    Empty,
    #[error("working directory `{}` does not exist", .0.display())]
    NoDirectory(PathBuf),
    #[error("command `{name}` not found in PATH ({path})")]
    NotInPath { name: String, path: String },
    #[error("command `{}` does not exist", .0.display())]
    NoFile(PathBuf),
    #[error("command `{}` is not an executable file", .0.display())]
    NotExecutable(PathBuf),
}

/// Puts `prefix` before the `PATH` in `environment`.
pub(crate) fn prefix_path(environment: &mut BTreeMap<OsString, OsString>, prefix: &Path) {
    let mut path = prefix.as_os_str().to_owned();
    if let Some(rest) = environment.get(OsStr::new("PATH")).filter(|rest| !rest.is_empty()) {
        path.push(":");
        path.push(rest);
    }
    environment.insert("PATH".into(), path);
}

/// The file to execute for `command`, looked up like a shell in `directory` would: with a slash it is a
/// path, without one it is searched in `path`.
pub(crate) fn resolve(
    command: &[String],
    directory: Option<&Path>,
    path: Option<&OsStr>,
) -> Result<PathBuf, CommandError> {
    let name = command.first().filter(|name| !name.is_empty()).ok_or(CommandError::Empty)?;
    if let Some(directory) = directory
        && !directory.is_dir()
    {
        return Err(CommandError::NoDirectory(directory.to_owned()));
    }
    // Relative entries mean the instance's directory, not ours; the result is made absolute because the
    // exec step runs there too.
    let place = |file: &Path| {
        let relative = directory.map_or_else(|| file.to_owned(), |directory| directory.join(file));
        std::path::absolute(&relative).unwrap_or(relative)
    };
    if name.contains('/') {
        let file = place(Path::new(name));
        return match (is_executable(&file), file.exists()) {
            (true, _) => Ok(file),
            (false, true) => Err(CommandError::NotExecutable(file)),
            (false, false) => Err(CommandError::NoFile(file)),
        };
    }
    let path = path.unwrap_or_default();
    std::env::split_paths(path)
        .map(|entry| place(&entry.join(name)))
        .find(|file| is_executable(file))
        .ok_or_else(|| CommandError::NotInPath {
            name: name.clone(),
            path: path.to_string_lossy().into_owned(),
        })
}

fn is_executable(file: &Path) -> bool {
    file.is_file() && access(file, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn executable(file: &Path) {
        fs::write(file, "#!/bin/sh\n").expect("written");
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("mode set");
    }

    fn command(name: &str) -> Vec<String> {
        vec![name.to_owned()]
    }

    #[test]
    fn missing_command_names_itself_and_the_path() {
        let error =
            resolve(&command("no-such-thing"), None, Some(OsStr::new("/nowhere:/bin"))).expect_err("missing");
        assert_eq!(error.to_string(), "command `no-such-thing` not found in PATH (/nowhere:/bin)");
    }

    #[test]
    fn first_executable_in_path_wins_and_plain_files_are_passed_over() {
        let root = tempfile::tempdir().expect("a directory");
        let (plain, first, second) = (root.path().join("0"), root.path().join("1"), root.path().join("2"));
        for directory in [&plain, &first, &second] {
            fs::create_dir(directory).expect("created");
        }
        fs::write(plain.join("tool"), "text").expect("written");
        executable(&first.join("tool"));
        executable(&second.join("tool"));
        let mut environment = BTreeMap::from([("PATH".into(), second.clone().into_os_string())]);
        prefix_path(&mut environment, &first);
        prefix_path(&mut environment, &plain);
        let path = environment.get(OsStr::new("PATH")).map(OsString::as_os_str);
        assert_eq!(resolve(&command("tool"), None, path), Ok(first.join("tool")));
    }

    #[test]
    fn path_with_slash_is_relative_to_the_directory() {
        let root = tempfile::tempdir().expect("a directory");
        executable(&root.path().join("tool"));
        fs::write(root.path().join("text"), "text").expect("written");
        assert_eq!(resolve(&command("./tool"), Some(root.path()), None).map(|file| file.exists()), Ok(true));
        assert!(matches!(
            resolve(&command("./text"), Some(root.path()), None),
            Err(CommandError::NotExecutable(_))
        ));
        assert!(matches!(resolve(&command("./none"), Some(root.path()), None), Err(CommandError::NoFile(_))));
        let gone = root.path().join("gone");
        assert_eq!(resolve(&command("./tool"), Some(&gone), None), Err(CommandError::NoDirectory(gone)));
    }
}
