//! A copy of the sources in which changes are made, and its builds.

use crate::rewrite::{Change, rewrite};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of the sources.
pub struct Tree(PathBuf);

/// What stands in files of a copy.
pub type Texts = HashMap<PathBuf, String>;

/// A program of tests.
pub struct Program {
    pub name: String,
    pub path: PathBuf,
    /// The package that it belongs to.
    pub package: PathBuf,
}

/// Why changes cannot be tried in one build.
#[derive(Default)]
pub struct Settled {
    pub unviable: BTreeSet<usize>,
    pub need_edit: BTreeSet<usize>,
    pub in_const_fn: BTreeSet<usize>,
}

const CRATE: &[&str] = &["--package=sockless", "--lib", "--all-features"];

impl Tree {
    /// Copies what git knows, and what it does not ignore, with other texts in these files. A file that is the same is
    /// left alone, so that it is not built again.
    pub fn copy(to: PathBuf, changed: &Texts) -> Self {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output();
        let listed = String::from_utf8(listed.expect("git").stdout).expect("names in UTF-8");
        let files: HashSet<&Path> = listed
            .split_terminator('\0')
            .map(Path::new)
            .filter(|file| file.exists())
            .collect();
        let tree = Self(to);
        for file in files.iter().filter(|&&file| !changed.contains_key(file)) {
            tree.write(file, &fs::read(file).expect("a file of the project"));
        }
        changed
            .iter()
            .for_each(|(file, text)| tree.write(file, text.as_bytes()));
        let needed =
            |file: &Path| files.contains(file) || changed.contains_key(file) || file == Path::new("Cargo.lock");
        remove_others(&tree.0, &tree.0, &needed);
        tree
    }

    pub fn read(&self, file: &Path) -> String {
        fs::read_to_string(self.0.join(file)).expect("a source file")
    }

    pub fn write(&self, file: &Path, text: &[u8]) {
        let path = self.0.join(file);
        if fs::read(&path).is_ok_and(|old| old == text) {
            return;
        }
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder");
        fs::write(path, text).expect("a file of the copy");
    }

    /// Puts as many of these changes into the copy as compile together; says what has become of the files, and why the
    /// others are not there.
    pub fn put_switches(&self, changes: &[Change]) -> (Settled, Texts) {
        let root = self.read(Path::new("src/lib.rs"));
        let root = format!(
            "#![feature(core_intrinsics, const_eval_select)]{root}\n#[doc(hidden)]\n#[allow(missing_docs)]\npub mod switch;\n"
        );
        let mut texts = Texts::new();
        texts.insert("src/lib.rs".into(), root);
        texts.insert("src/switch.rs".into(), include_str!("switch.rs").to_owned());
        let mut files: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (id, change) in changes.iter().enumerate() {
            files.entry(&change.file).or_default().push(id);
        }
        let sources: HashMap<&str, String> = files.keys().map(|&file| (file, self.read(Path::new(file)))).collect();
        let mut settled = Settled::default();
        loop {
            let mut placed: HashMap<&str, Vec<(Range<usize>, usize)>> = HashMap::new();
            for (&file, ids) in &files {
                let left_out = |id: &usize| settled.unviable.contains(id) || settled.need_edit.contains(id);
                let ids = ids.iter().filter(|id| !left_out(id));
                let rewritten = rewrite(&sources[file], &ids.map(|&id| (id, &changes[id])).collect::<Vec<_>>());
                texts.insert(file.into(), rewritten.text);
                placed.insert(file, rewritten.placed);
                settled.need_edit.extend(rewritten.unplaced);
                settled.in_const_fn.extend(rewritten.in_const_fn);
            }
            texts.iter().for_each(|(file, text)| self.write(file, text.as_bytes()));
            let errors = self.errors();
            if errors.is_empty() {
                return (settled, texts);
            }
            let before = settled.unviable.len() + settled.need_edit.len();
            for error in &errors {
                settled.judge(error, &placed, changes);
            }
            let after = settled.unviable.len() + settled.need_edit.len();
            eprintln!("{} errors, {} changes taken out", errors.len(), after - before);
            assert!(after > before, "no change is at fault: {}", errors[0]["rendered"]);
        }
    }

    /// What the compiler says against the crate.
    fn errors(&self) -> Vec<Value> {
        let (_, messages) = self.cargo(&["check"], CRATE);
        let errors = messages
            .into_iter()
            .filter(|message| message["reason"] == "compiler-message");
        errors
            .map(|mut message| message["message"].take())
            .filter(|message| message["level"] == "error")
            .collect()
    }

    pub fn compiles(&self) -> bool {
        self.cargo(&["check"], CRATE).0
    }

    /// Builds tests; `None` if they do not compile.
    pub fn build(&self, what: &[&str]) -> Option<Vec<Program>> {
        let (success, messages) = self.cargo(&["test", "--no-run"], what);
        let programs = messages
            .iter()
            .filter(|message| message["profile"]["test"] == true)
            .filter_map(|message| {
                let package = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
                let name = message["target"]["name"].as_str()?.to_owned();
                Some(Program {
                    name,
                    path: message["executable"].as_str()?.into(),
                    package,
                })
            });
        success.then(|| programs.collect())
    }

    fn cargo(&self, command: &[&str], what: &[&str]) -> (bool, Vec<Value>) {
        let mut cargo = Command::new("cargo");
        cargo
            .args(command)
            .args(["--quiet", "--message-format=json"])
            .args(what)
            .current_dir(&self.0);
        // The switch needs what the standard library has for itself, and lints are not the subject.
        cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "--cap-lints=allow");
        cargo
            .env("CARGO_TARGET_DIR", self.0.with_file_name("build"))
            .env("CARGO_INCREMENTAL", "0");
        for profile in ["DEV", "TEST"] {
            cargo.env(format!("CARGO_PROFILE_{profile}_DEBUG"), "0");
            cargo.env(format!("CARGO_PROFILE_{profile}_OPT_LEVEL"), "1");
        }
        let output = cargo.stderr(std::process::Stdio::null()).output().expect("cargo");
        let lines = output.stdout.split(|&byte| byte == b'\n');
        (
            output.status.success(),
            lines.filter_map(|line| serde_json::from_slice(line).ok()).collect(),
        )
    }
}

impl Settled {
    /// Takes out what has caused an error.
    fn judge(&mut self, error: &Value, placed: &HashMap<&str, Vec<(Range<usize>, usize)>>, changes: &[Change]) {
        // These may come of the switch beside the change. What else the compiler has against a text that a change puts
        // in, it has against the change itself.
        const UNCERTAIN: [&str; 20] = [
            "E0004", "E0271", "E0282", "E0283", "E0284", "E0373", "E0381", "E0382", "E0384", "E0499", "E0502", "E0503",
            "E0505", "E0506", "E0507", "E0510", "E0515", "E0521", "E0597", "E0716",
        ];
        let code = error["code"]["code"].as_str().unwrap_or_default();
        let spans = error["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let (primary, other): (Vec<&Value>, Vec<&Value>) = spans.iter().partition(|span| span["is_primary"] == true);
        let extent = |mut span: &Value| {
            // Where a macro is called, not where it is written.
            while span["expansion"].is_object() {
                span = &span["expansion"]["span"];
            }
            Some((
                span["file_name"].as_str()?.to_owned(),
                span["byte_start"].as_u64()? as usize,
            ))
        };
        for (nth, (file, at)) in primary.iter().chain(&other).filter_map(|span| extent(span)).enumerate() {
            if let Some((_, id)) = placed
                .get(&*file)
                .and_then(|all| all.iter().find(|(range, _)| range.contains(&at)))
            {
                if nth < primary.len() && !UNCERTAIN.contains(&code) {
                    self.unviable.insert(*id)
                } else {
                    self.need_edit.insert(*id)
                };
                return;
            }
        }
        // Otherwise it is one of the changes of the function: of the arms, where a value has none.
        for (file, at) in primary.iter().filter_map(|span| extent(span)) {
            let Some(all) = placed.get(&*file) else { continue };
            let nearest = all.iter().min_by_key(|(range, _)| range.start.abs_diff(at));
            if let Some(&(_, nearest)) = nearest {
                let same = |id: &usize| {
                    let change = &changes[*id];
                    change.function == changes[nearest].function && (code != "E0004" || change.genre == "MatchArm")
                };
                self.need_edit.extend(all.iter().map(|&(_, id)| id).filter(same));
            }
        }
    }
}

fn remove_others(root: &Path, folder: &Path, needed: &dyn Fn(&Path) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            remove_others(root, &path, needed);
        } else if !path.strip_prefix(root).is_ok_and(needed) {
            let _ = fs::remove_file(path);
        }
    }
}
