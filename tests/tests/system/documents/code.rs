//! What the crates' code says without being run: which events it makes, what it calls, and which types it names. Code
//! for tests is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::files::{is_for_tests, parsed, rust_files};
use super::in_repository;

/// Where the contract's event stands.
const EVENT: &str = "contract::events::Event";

/// The code of a crate, or of a part of it.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// Its functions and methods, by name; those of one name are one here.
    pub(super) functions: BTreeMap<String, Body>,
    /// Everything that it says, within functions and outside.
    pub(super) whole: Body,
    /// The types for which it implements `Aggregate`, by their whole paths, with their constant `KIND`.
    pub(super) aggregates: Vec<(String, String)>,
}

/// What a piece of code says.
#[derive(Debug, Default, Clone)]
pub(super) struct Body {
    /// The first sentence of its documentation.
    pub(super) about: String,
    /// Whether it is a method of the store that others may call.
    pub(super) is_of_store: bool,
    /// Whether it is a function by itself.
    pub(super) is_free: bool,
    /// The variants of the contract's event that it makes.
    pub(super) events: BTreeSet<String>,
    /// The names of what it calls or hands on to be called.
    pub(super) calls: BTreeSet<String>,
    /// What it names, by whole paths as far as imports tell them.
    pub(super) names: BTreeSet<String>,
    /// The texts in it.
    pub(super) texts: BTreeSet<String>,
}

/// Every function's code by the function's name, which is that of its folder.
pub(super) fn of_functions() -> anyhow::Result<BTreeMap<String, Code>> {
    let mut functions = BTreeMap::new();
    for entry in std::fs::read_dir(in_repository("functions"))? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").is_file() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            functions.insert(name, Code::of(&folder.join("src"))?);
        }
    }
    Ok(functions)
}

/// The variants of the contract's event, with the type that each has on the wire.
pub(super) fn wire_names() -> anyhow::Result<BTreeMap<String, String>> {
    let contract = parsed(&in_repository("shared/contract/src/events.rs"))?;
    let mut names = BTreeMap::new();
    for item in contract.items {
        let syn::Item::Macro(item) = item else { continue };
        let tokens: Vec<TokenTree> = item.mac.tokens.into_iter().collect();
        for window in tokens.windows(3) {
            if let [TokenTree::Ident(variant), TokenTree::Punct(equals), TokenTree::Literal(name)] = window
                && equals.as_char() == '='
            {
                names.insert(variant.to_string(), name.to_string().trim_matches('"').to_owned());
            }
        }
    }
    Ok(names)
}

impl Code {
    /// Reads every file under a folder, or the one file.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let mut code = Self::default();
        code.read(path)?;
        Ok(code)
    }

    /// Reads more.
    pub(super) fn read(&mut self, path: &Path) -> anyhow::Result<()> {
        let files = if path.is_dir() { rust_files(path)? } else { vec![path.to_owned()] };
        for file in files {
            let file = parsed(&file)?;
            let mut reader = Reader { imports: imports_of(&file), code: self, within: Vec::new() };
            reader.visit_file(&file);
        }
        Ok(())
    }
}

/// What the names that a file imports stand for.
fn imports_of(file: &syn::File) -> BTreeMap<String, String> {
    fn follow(tree: &syn::UseTree, before: &str, found: &mut BTreeMap<String, String>) {
        match tree {
            syn::UseTree::Path(path) => follow(&path.tree, &format!("{before}{}::", path.ident), found),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| follow(tree, before, found)),
            syn::UseTree::Name(name) => {
                found.insert(name.ident.to_string(), format!("{before}{}", name.ident));
            }
            syn::UseTree::Rename(rename) => {
                found.insert(rename.rename.to_string(), format!("{before}{}", rename.ident));
            }
            syn::UseTree::Glob(_) => {}
        }
    }
    let mut found = BTreeMap::new();
    for item in &file.items {
        if let syn::Item::Use(item) = item
            && !is_for_tests(&item.attrs)
        {
            follow(&item.tree, "", &mut found);
        }
    }
    found
}

/// What a function is to whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Free,
    OfStore,
    Other,
}

struct Reader<'c> {
    imports: BTreeMap<String, String>,
    code: &'c mut Code,
    /// The functions around what is being read, the innermost last.
    within: Vec<String>,
}

impl Reader<'_> {
    fn say(&mut self, say: impl Fn(&mut Body)) {
        say(&mut self.code.whole);
        if let Some(function) = self.within.first() {
            say(self.code.functions.entry(function.clone()).or_default());
        }
    }

    /// A path with its first name as the file imports it.
    fn whole(&self, path: &syn::Path) -> String {
        let mut names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(first) = names.first_mut()
            && let Some(imported) = self.imports.get(first)
        {
            first.clone_from(imported);
        }
        names.join("::")
    }

    fn enter(&mut self, name: &syn::Ident, attributes: &[syn::Attribute], role: Role, read: impl FnOnce(&mut Self)) {
        if is_for_tests(attributes) {
            return;
        }
        self.within.push(name.to_string());
        let about = first_sentence(attributes);
        self.say(|body| {
            body.about.clone_from(&about);
            body.is_of_store |= role == Role::OfStore;
            body.is_free |= role == Role::Free;
        });
        read(self);
        self.within.pop();
    }

    /// What stands in a macro's tokens, which are no syntax yet.
    fn read_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    let name = ident.to_string();
                    let named = self.imports.get(&name).cloned();
                    self.say(|body| {
                        body.calls.insert(name.clone());
                        body.names.extend(named.clone());
                    });
                }
                TokenTree::Group(group) => self.read_tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.enter(&item.sig.ident, &item.attrs, Role::Free, |reader| visit::visit_item_fn(reader, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if is_for_tests(&item.attrs) {
            return;
        }
        let syn::Type::Path(of) = item.self_ty.as_ref() else { return };
        let of = self.whole(&of.path);
        if item.trait_.as_ref().is_some_and(|(path, _)| path.is_ident("Aggregate")) {
            let kind = item.items.iter().find_map(|inner| match inner {
                syn::ImplItem::Const(constant) if constant.ident == "KIND" => text_of(&constant.expr),
                _ => None,
            });
            self.code.aggregates.extend(kind.map(|kind| (of.clone(), kind)));
        }
        for inner in &item.items {
            if let syn::ImplItem::Fn(method) = inner {
                let is_public = matches!(method.vis, syn::Visibility::Public(_));
                let is_of_store = is_public && of.ends_with("Store") && item.trait_.is_none();
                let role = if is_of_store { Role::OfStore } else { Role::Other };
                let read = |reader: &mut Self| visit::visit_impl_item_fn(reader, method);
                self.enter(&method.sig.ident, &method.attrs, role, read);
            }
        }
    }

    fn visit_expr_struct(&mut self, made: &'ast syn::ExprStruct) {
        let path = self.whole(&made.path);
        if let Some((of, variant)) = path.rsplit_once("::")
            && of == EVENT
        {
            self.say(|body| {
                body.events.insert(variant.to_owned());
            });
        }
        visit::visit_expr_struct(self, made);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.say(|body| {
            body.calls.insert(call.method.to_string());
        });
        visit::visit_expr_method_call(self, call);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let whole = self.whole(path);
        self.say(|body| {
            body.calls.extend(path.segments.last().map(|segment| segment.ident.to_string()));
            body.names.insert(whole.clone());
        });
        visit::visit_path(self, path);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.say(|body| {
            body.texts.insert(text.value());
        });
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.read_tokens(item.tokens.clone());
    }
}

fn text_of(expression: &syn::Expr) -> Option<String> {
    match expression {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

/// The first sentence of a documentation, without its links.
fn first_sentence(attributes: &[syn::Attribute]) -> String {
    let lines =
        attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).filter_map(|attribute| match &attribute
            .meta
        {
            syn::Meta::NameValue(documentation) => text_of(&documentation.value),
            _ => None,
        });
    let first: Vec<String> = lines.map(|line| line.trim().to_owned()).take_while(|line| !line.is_empty()).collect();
    let whole = first.join(" ").replace("[`", "`").replace("`]", "`");
    match whole.split_once(". ") {
        Some((sentence, _)) => format!("{sentence}."),
        None => whole,
    }
}
