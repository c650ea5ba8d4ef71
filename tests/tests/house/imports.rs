//! Who imports whom: every file of a crate, and the files of the same crate that its code names.
//!
//! An arrow is what a file uses: an import, or a path written out. A room's front file and the files behind it are
//! one room, with no arrows between them; whoever imports what the front file hands on points at the file that has
//! it. Tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::files::{is_for_tests, parsed, rust_files};

/// A module by its path in its crate; the crate's root is empty.
pub(crate) type Module = Vec<String>;

/// The files of a crate and the arrows between them.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    /// Every file that is not only a test's: the files that it uses.
    pub(crate) arrows: BTreeMap<Module, BTreeSet<Module>>,
}

/// What one file says.
#[derive(Debug, Default)]
struct File {
    /// The paths that it uses.
    used: Vec<Module>,
    /// Names that it hands on, and what they are: of `pub use a::B as C`, `C` and `a::B`; of `pub use a::*`, `*`.
    handed_on: Vec<(String, Module)>,
    /// The modules that it declares for tests only.
    tests: Vec<String>,
}

impl Imports {
    /// Reads the crate whose sources lie in this folder.
    pub(crate) fn of(sources: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        for path in rust_files(sources)? {
            let module = module_of(path.strip_prefix(sources)?);
            let mut file = File::default();
            file.visit_file(&parsed(&path)?);
            files.insert(module, file);
        }
        let tests: Vec<Module> = files
            .iter()
            .flat_map(|(module, file)| {
                file.tests.iter().map(|name| [module.as_slice(), std::slice::from_ref(name)].concat())
            })
            .collect();
        files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        let is_one_room = |one: &Module, other: &Module| one.starts_with(other) || other.starts_with(one);
        let target = |from: &Module, path: &Module| resolved(&files, from, path, 0).filter(|to| !is_one_room(from, to));
        let arrows = files.iter().map(|(module, file)| {
            (module.clone(), file.used.iter().filter_map(|path| target(module, path)).collect::<BTreeSet<_>>())
        });
        Ok(Self { arrows: arrows.collect() })
    }

    /// The circles: files that reach one another, each group in order.
    pub(crate) fn circles(&self) -> Vec<Vec<Module>> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.arrows.keys().map(|module| (module, self.reached_from(module))).collect();
        let mut circles: BTreeSet<Vec<Module>> = BTreeSet::new();
        for (module, reachable) in &reached {
            if !reachable.contains(*module) {
                continue;
            }
            let both = |other: &&&Module| reached.get(**other).is_some_and(|back| back.contains(*module));
            circles.insert(reachable.iter().filter(both).map(|other| (**other).clone()).collect());
        }
        circles.into_iter().collect()
    }

    fn reached_from<'a>(&'a self, module: &'a Module) -> BTreeSet<&'a Module> {
        let mut reached = BTreeSet::new();
        let mut next = vec![module];
        while let Some(module) = next.pop() {
            for to in self.arrows.get(module).into_iter().flatten() {
                if reached.insert(to) {
                    next.push(to);
                }
            }
        }
        reached
    }
}

fn module_of(path: &Path) -> Module {
    let mut module: Module = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let file = module.pop().unwrap_or_default();
    match file.strip_suffix(".rs").unwrap_or(&file) {
        "lib" | "main" if module.is_empty() => {}
        name => module.push(name.to_owned()),
    }
    module
}

/// The file that has what `path`, used in the file `from`, names; none if it is of another crate.
fn resolved(files: &BTreeMap<Module, File>, from: &Module, path: &[String], hops: usize) -> Option<Module> {
    let mut path = path.to_vec();
    let mut module = match path.first()?.as_str() {
        "crate" => Module::new(),
        "self" | "super" => from.clone(),
        name => {
            // A module beside: `chain::Chain` in the file that declares `chain`.
            let beside = [from.as_slice(), &[name.to_owned()]].concat();
            return files
                .contains_key(&beside)
                .then(|| within(files, beside, path.get(1..).unwrap_or_default(), hops))?;
        }
    };
    if path.first().is_some_and(|first| first != "super") {
        path.remove(0);
    }
    while path.first().is_some_and(|first| first == "super") {
        path.remove(0);
        module.pop()?;
    }
    within(files, module, &path, hops)
}

/// Goes on from a module along a path: into the modules that it names, and through what a module hands on.
fn within(files: &BTreeMap<Module, File>, mut module: Module, path: &[String], hops: usize) -> Option<Module> {
    for (place, name) in path.iter().enumerate() {
        let inner = [module.as_slice(), std::slice::from_ref(name)].concat();
        if files.contains_key(&inner) {
            module = inner;
            continue;
        }
        let file = files.get(&module)?;
        let rest = path.get(place + 1..).unwrap_or_default();
        if let Some((_, to)) = file.handed_on.iter().find(|(handed, _)| handed == name).filter(|_| hops < 10) {
            let to = [to.as_slice(), rest].concat();
            return resolved(files, &module, &to, hops + 1);
        }
        break;
    }
    Some(module)
}

impl File {
    fn paths_of(tree: &syn::UseTree, before: &mut Module, found: &mut Vec<(String, Module)>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                Self::paths_of(&path.tree, before, found);
                before.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| Self::paths_of(tree, before, found)),
            syn::UseTree::Glob(_) => found.push(("*".to_owned(), before.clone())),
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                let is_itself = name == "self";
                let path =
                    if is_itself { before.clone() } else { [before.as_slice(), std::slice::from_ref(&name)].concat() };
                found.push((if is_itself { before.last().cloned().unwrap_or_default() } else { name }, path));
            }
            syn::UseTree::Rename(rename) => {
                let path = [before.as_slice(), &[rename.ident.to_string()]].concat();
                found.push((rename.rename.to_string(), path));
            }
        }
    }

    /// Paths that stand in a macro's tokens, which are no syntax yet.
    fn paths_in(&mut self, tokens: TokenStream) {
        let mut path: Module = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => path.push(ident.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == ':' => {}
                other => {
                    self.used.extend(Some(std::mem::take(&mut path)).filter(|path| path.len() > 1));
                    if let TokenTree::Group(group) = other {
                        self.paths_in(group.stream());
                    }
                }
            }
        }
        self.used.extend(Some(path).filter(|path| path.len() > 1));
    }
}

impl<'ast> Visit<'ast> for File {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_for_tests(&item.attrs) {
            self.tests.push(item.ident.to_string());
        } else {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if is_for_tests(&item.attrs) {
            return;
        }
        let mut found = Vec::new();
        Self::paths_of(&item.tree, &mut Vec::new(), &mut found);
        if matches!(item.vis, syn::Visibility::Inherited) {
            self.used.extend(found.into_iter().map(|(_, path)| path));
        } else {
            self.handed_on.extend(found);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Module = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.used.push(names);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.paths_in(item.tokens.clone());
    }
}
