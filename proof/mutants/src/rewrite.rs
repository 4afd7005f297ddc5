//! Writes a source file anew, with many changes in it, each behind its switch.

use proc_macro2::Span;
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ReturnType, Signature, Stmt, Type};

/// A change as `cargo mutants --list --json` puts it: what stands in `span` becomes `replacement`.
#[derive(Deserialize)]
pub struct Change {
    pub name: String,
    pub file: String,
    pub genre: String,
    pub replacement: String,
    pub function: Option<serde_json::Value>,
    span: Extent,
}

#[derive(Deserialize)]
struct Extent {
    start: Position,
    end: Position,
}

/// Lines and characters, both counted from 1.
#[derive(Deserialize)]
struct Position {
    line: usize,
    column: usize,
}

/// A file with changes in it.
pub struct Rewritten {
    pub text: String,
    /// Where each change stands in the text.
    pub placed: Vec<(Range<usize>, usize)>,
    /// The changes that need an edit: the compiler evaluates that code, or it is something that no switch fits.
    pub unplaced: Vec<usize>,
    /// The changes in constant functions: the compiler may have evaluated these too.
    pub in_const_fn: Vec<usize>,
}

impl Change {
    /// The file with this one change in it, and no switch.
    pub fn edit(&self, source: &str) -> String {
        let Range { start, end } = self.range(&Lines::new(source));
        format!("{}{}{}", &source[..start], self.replacement, &source[end..])
    }

    fn range(&self, lines: &Lines) -> Range<usize> {
        let at = |position: &Position| lines.offset(position.line, position.column - 1);
        at(&self.span.start)..at(&self.span.end)
    }
}

/// The file with all of these changes, which are its own, behind switches.
pub fn rewrite(source: &str, changes: &[(usize, &Change)]) -> Rewritten {
    let lines = Lines::new(source);
    let mut sites = Sites {
        lines: &lines,
        outer: Vec::new(),
        constants: 0,
        in_const_fn: false,
        found: HashMap::new(),
    };
    sites.visit_file(&syn::parse_file(source).expect("Rust"));
    let (mut unplaced, mut in_const_fn) = (Vec::new(), Vec::new());
    // What is put in where: ends of what is wrapped before what else comes there, and inner ends before outer ones.
    let mut pieces: Vec<(usize, Order, String, Option<usize>)> = Vec::new();
    let mut wrapped: BTreeMap<(usize, Reverse<usize>), Vec<(usize, String)>> = BTreeMap::new();
    for &(id, change) in changes {
        let range = change.range(&lines);
        let Some(site) = sites.found.get(&(change.genre.as_str(), range.start)) else {
            unplaced.push(id);
            continue;
        };
        if site.in_const_fn {
            in_const_fn.push(id);
        }
        let to = &change.replacement;
        match &site.place {
            Place::Start => pieces.push((
                range.start,
                Order::Between,
                format!("if crate::switch::on({id}) {{ return {to}; }} "),
                Some(id),
            )),
            Place::Pattern(end) => {
                pieces.push((*end, Order::Between, format!(" if !crate::switch::on({id})"), Some(id)));
            }
            Place::Guard(guard) => {
                wrapped
                    .entry((guard.start, Reverse(guard.end)))
                    .or_default()
                    .push((id, "false".to_owned()));
            }
            Place::Whole(whole) => {
                let text = format!(
                    "{}{to}{}",
                    &source[whole.start..range.start],
                    &source[range.end..whole.end]
                );
                wrapped
                    .entry((whole.start, Reverse(whole.end)))
                    .or_default()
                    .push((id, text));
            }
            Place::Iterator(tail) => {
                let text = format!(
                    "if crate::switch::on({id}) {{ crate::switch::Either::Changed({to}) }} else {{ crate::switch::Either::Unchanged("
                );
                pieces.push((tail.start, Order::Start(Reverse(tail.end)), text, Some(id)));
                pieces.push((tail.end, Order::End(Reverse(tail.start)), ") }".to_owned(), None));
            }
        }
    }
    for ((start, Reverse(end)), variants) in wrapped {
        let order = Order::Start(Reverse(end));
        pieces.push((start, order, "(".to_owned(), None));
        for (id, text) in variants {
            pieces.push((
                start,
                order,
                format!("if crate::switch::on({id}) {{ {text} }} else "),
                Some(id),
            ));
        }
        pieces.push((start, order, "{ ".to_owned(), None));
        pieces.push((end, Order::End(Reverse(start)), " })".to_owned(), None));
    }
    pieces.sort_by_key(|&(at, order, ..)| (at, order));
    let (mut text, mut placed, mut from) = (String::new(), Vec::new(), 0);
    for (at, _, piece, id) in pieces {
        text.push_str(&source[from..at]);
        from = at;
        if let Some(id) = id {
            placed.push((text.len()..text.len() + piece.len(), id));
        }
        text.push_str(&piece);
    }
    text.push_str(&source[from..]);
    Rewritten {
        text,
        placed,
        unplaced,
        in_const_fn,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    End(Reverse<usize>),
    Between,
    Start(Reverse<usize>),
}

/// Where the lines of a text begin.
struct Lines<'a>(&'a str, Vec<usize>);

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(text, std::iter::once(0).chain(starts).collect())
    }

    fn offset(&self, line: usize, column: usize) -> usize {
        let start = self.1[line - 1];
        start + self.0[start..].chars().take(column).map(char::len_utf8).sum::<usize>()
    }

    fn text(&self, span: Span) -> &str {
        &self.0[self.range(span)]
    }

    fn range(&self, span: Span) -> Range<usize> {
        let at = |position: proc_macro2::LineColumn| self.offset(position.line, position.column);
        at(span.start())..at(span.end())
    }
}

/// How a change is put into a file.
enum Place {
    /// Where the body of a function starts: returns something else.
    Start,
    /// In place of the iterator that a function returns, which has a type that nobody can name.
    Iterator(Range<usize>),
    /// Beside this whole expression, which stands there once more for each change.
    Whole(Range<usize>),
    /// After the pattern of an arm, which is taken out by a guard,
    Pattern(usize),
    /// or by the one it has.
    Guard(Range<usize>),
}

struct Site {
    place: Place,
    in_const_fn: bool,
}

/// Finds what a change, by its genre and the place where it starts, is a part of.
struct Sites<'a> {
    lines: &'a Lines<'a>,
    /// The expressions around this one, and whether they are operations.
    outer: Vec<(bool, Range<usize>)>,
    /// How many constants we are in.
    constants: usize,
    in_const_fn: bool,
    found: HashMap<(&'static str, usize), Site>,
}

impl Sites<'_> {
    fn add(&mut self, genre: &'static str, start: usize, place: Place) {
        if self.constants == 0 {
            self.found.insert(
                (genre, start),
                Site {
                    place,
                    in_const_fn: self.in_const_fn,
                },
            );
        }
    }

    fn function(&mut self, signature: &Signature, body: &syn::Block, visit: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.in_const_fn, signature.constness.is_some());
        if let (Some(first), Some(last)) = (body.stmts.first(), body.stmts.last()) {
            let start = self.lines.range(first.span()).start;
            match &signature.output {
                ReturnType::Type(_, returned) if matches!(**returned, Type::ImplTrait(_)) => {
                    if let Stmt::Expr(tail, None) = last {
                        self.add("FnValue", start, Place::Iterator(self.lines.range(tail.span())));
                    }
                }
                // `Result<impl Iterator>`: the type that has no name is inside.
                returned if self.lines.text(returned.span()).contains("impl ") => {}
                _ => self.add("FnValue", start, Place::Start),
            }
        }
        visit(self);
        self.in_const_fn = outside;
    }

    fn constant(&mut self, visit: impl FnOnce(&mut Self)) {
        self.constants += 1;
        visit(self);
        self.constants -= 1;
    }
}

impl<'ast> Visit<'ast> for Sites<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block, |sites| visit::visit_item_fn(sites, item));
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block, |sites| visit::visit_impl_item_fn(sites, item));
    }
    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig, body, |sites| visit::visit_trait_item_fn(sites, item));
        }
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constant(|sites| visit::visit_item_const(sites, item));
    }
    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.constant(|sites| visit::visit_item_static(sites, item));
    }
    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.constant(|sites| visit::visit_impl_item_const(sites, item));
    }
    fn visit_trait_item_const(&mut self, item: &'ast syn::TraitItemConst) {
        self.constant(|sites| visit::visit_trait_item_const(sites, item));
    }
    fn visit_expr_const(&mut self, block: &'ast syn::ExprConst) {
        self.constant(|sites| visit::visit_expr_const(sites, block));
    }
    fn visit_type_array(&mut self, array: &'ast syn::TypeArray) {
        self.constant(|sites| visit::visit_type_array(sites, array));
    }
    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.constant(|sites| visit::visit_variant(sites, variant));
    }
    fn visit_expr_repeat(&mut self, array: &'ast syn::ExprRepeat) {
        self.visit_expr(&array.expr);
        self.constant(|sites| sites.visit_expr(&array.len));
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        let range = self.lines.range(expression.span());
        let mut is_operation = false;
        match expression {
            Expr::Binary(binary) => {
                is_operation = !is_assignment(&binary.op);
                // A change of an operator may change what binds to what: all of `a + b * c` is written anew.
                let operations = self
                    .outer
                    .iter()
                    .rev()
                    .take_while(|(operation, _)| *operation && is_operation);
                let whole = operations.last().map_or(range.clone(), |(_, whole)| whole.clone());
                let at = self.lines.range(binary.op.span()).start;
                self.add("BinaryOperator", at, Place::Whole(whole));
            }
            Expr::Unary(_) => self.add("UnaryOperator", range.start, Place::Whole(range.clone())),
            Expr::Struct(of) => {
                for field in &of.fields {
                    let at = self.lines.range(field.span()).start;
                    self.add("StructField", at, Place::Whole(range.clone()));
                }
            }
            _ => {}
        }
        self.outer.push((is_operation, range));
        visit::visit_expr(self, expression);
        self.outer.pop();
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let start = self.lines.range(arm.span()).start;
        if let Some((_, guard)) = &arm.guard {
            let guard = self.lines.range(guard.span());
            self.add("MatchArm", start, Place::Guard(guard.clone()));
            self.add("MatchArmGuard", guard.start, Place::Whole(guard));
        } else {
            let end = self.lines.range(arm.pat.span()).end;
            self.add("MatchArm", start, Place::Pattern(end));
        }
        visit::visit_arm(self, arm);
    }
}

fn is_assignment(operator: &BinOp) -> bool {
    use BinOp::*;
    matches!(
        operator,
        AddAssign(_)
            | SubAssign(_)
            | MulAssign(_)
            | DivAssign(_)
            | RemAssign(_)
            | BitXorAssign(_)
            | BitAndAssign(_)
            | BitOrAssign(_)
            | ShlAssign(_)
            | ShrAssign(_)
    )
}
