//! A chain of movements, with what may lie between them, and the shortest one that does the same.

use super::super::layout::{Axes, Known, Layout, Op, plans, realize, shape};
use super::between::{Kind, Link, known_shape, link, movement};
use super::operand;
use crate::ir::{Dim, NodeId, ValueId};
use crate::rewrite::{Context, Miss, Patch, Ref};

/// Chains are followed that far.
const LONGEST: usize = 24;

/// Writes the chain that ends at the node anew, from where this saves most. `placed` says that the compiler lets products
/// write their results where these are moved to.
pub(super) fn merge(cx: &Context<'_>, node: NodeId, placed: bool) -> Result<Patch, Miss> {
    let Some(end) = link(cx, node).filter(|l| l.kind == Kind::Move) else { return Err(Miss::Silent) };
    let chain = follow(cx, end);
    let mut best: Option<Written> = None;
    let (mut long, mut picked) = (false, false);
    for top in 0..chain.links.len() {
        if chain.links[top].kind != Kind::Move {
            continue;
        }
        if placed && of_picked_rows(cx, chain.links[top]) {
            picked |= top > 0;
            continue;
        }
        match Part::of(cx, &chain, top).and_then(|part| part.write(cx, placed)) {
            Some(written) if written.saves(cx, &chain) => {
                if best.as_ref().is_none_or(|b| written.saved(&chain) > b.saved(&chain)) {
                    best = Some(written);
                }
            }
            Some(_) => {}
            None => long |= top > 0,
        }
    }
    match best {
        Some(written) => Ok(written.patch),
        None if picked => Err(Miss::because(
            "the compiler fails on some rows moved behind a Gather",
            cx.node(node).outputs()[0],
        )),
        None if long => Err(Miss::because("the movements have no shorter form", cx.node(node).outputs()[0])),
        None => Err(Miss::Silent),
    }
}

/// Whether a link moves what constant indices have picked.
fn of_picked_rows(cx: &Context<'_>, link: Link) -> bool {
    let source = cx.node(link.node).input(link.data);
    let gather = source.and_then(|v| cx.graph.producer_is(v, "Gather")).map(|gather| cx.node(gather));
    gather.and_then(|g| g.input(1)).is_some_and(|indices| cx.graph.is_const(indices))
}

/// The links that lead to an end, which comes first.
struct Chain {
    links: Vec<Link>,
    /// How many of the first links are read by the chain alone.
    own: usize,
}

fn follow(cx: &Context<'_>, end: Link) -> Chain {
    let mut links = vec![end];
    let mut own = 1;
    let mut shared = false;
    while links.len() < LONGEST {
        let last = links[links.len() - 1];
        let Some(value) = cx.node(last.node).input(last.data) else { break };
        let Some(next) = cx.graph.producer(value).and_then(|p| link(cx, p)) else { break };
        if cx.node(next.node).region() != cx.node(end.node).region() {
            break;
        }
        shared |= cx.graph.value(value).uses().len() > 1;
        // What is not a movement would be computed twice.
        if shared && (next.kind != Kind::Move || links.iter().any(|l| l.kind != Kind::Move)) {
            break;
        }
        links.push(next);
        own += usize::from(!shared);
    }
    Chain { links, own }
}

/// A link that is no movement.
struct Between {
    link: Link,
    /// The frame at which it computes.
    frame: usize,
    /// The size of rows before it.
    row: Option<Dim>,
}

/// The last axis, where rows are computed. Computed ones have their size in the first factor, the others have 1.
struct Row {
    factors: Vec<usize>,
    /// The sizes of the factors before.
    before: Vec<Dim>,
    size: Dim,
    /// Whether it is the last axis of the source too.
    whole: bool,
}

/// The chain from one of its movements on.
struct Part<'a> {
    links: &'a [Link],
    source: ValueId,
    layout: Layout,
    between: Vec<Between>,
    row: Option<Row>,
    movements: usize,
    known: Known,
}

impl<'a> Part<'a> {
    fn of(cx: &Context<'_>, chain: &'a Chain, top: usize) -> Option<Self> {
        let links = &chain.links[..=top];
        let source = cx.node(links[top].node).input(links[top].data)?;
        let mut part = Self {
            links,
            source,
            layout: Layout::of(cx.graph.shape(source)?)?,
            between: Vec::new(),
            row: None,
            movements: 0,
            known: Known::new(),
        };
        for &link in links.iter().rev() {
            match link.kind {
                Kind::Move => part.movement(cx, link.node)?,
                Kind::Rows | Kind::Matrix => part.rows(cx, link)?,
                Kind::Each | Kind::With(_) => part.note(link),
            }
        }
        Some(part)
    }

    fn movement(&mut self, cx: &Context<'_>, node: NodeId) -> Option<()> {
        self.movements += 1;
        if let Some(known) = known_shape(cx, node) {
            self.known.push(known);
        }
        movement(cx, node, &mut self.layout)
    }

    fn note(&mut self, link: Link) {
        let row = self.row.as_ref().map(|r| r.size.clone());
        self.between.push(Between { link, frame: self.layout.now(), row });
    }

    /// What rows are computed of is the last axis, the same each time.
    fn rows(&mut self, cx: &Context<'_>, link: Link) -> Option<()> {
        let now = self.layout.last().last().filter(|axis| !axis.is_empty())?.clone();
        let size = cx.graph.shape(cx.node(link.node).outputs()[0])?.last()?.clone();
        if size.as_fixed().is_some_and(|n| n < 2) {
            return None;
        }
        let whole = self.layout.frame(0).last() == Some(&now);
        let row = match self.row.take() {
            Some(row) if row.factors == now => row,
            Some(_) => return None,
            None => {
                let before: Vec<Dim> = now.iter().map(|&f| self.layout.sizes[f].clone()).collect();
                let size = before.iter().try_fold(Dim::Fixed(1), |size, dim| size.mul(dim))?;
                Row { factors: now, before, size, whole }
            }
        };
        self.row = Some(row);
        self.note(link);
        let row = self.row.as_mut()?;
        row.factors.iter().for_each(|&f| self.layout.sizes[f] = Dim::Fixed(1));
        self.layout.sizes[*row.factors.first()?] = size.clone();
        row.size = size;
        Some(())
    }

    /// Arrangements in which to compute what lies between: before, after or in the middle of all movement.
    fn middles(&self) -> Vec<Axes> {
        let (first, last) = (self.layout.frame(0).clone(), self.layout.last().clone());
        if self.between.is_empty() {
            return vec![last];
        }
        let mut middles = vec![first.clone(), last.clone()];
        if let Some(row) = &self.row {
            for order in [&last, &first] {
                let lines = order.iter().flatten().copied().filter(|f| !row.factors.contains(f)).collect();
                middles.push(vec![lines, row.factors.clone()]);
            }
        }
        middles.retain(|m| self.holds(m));
        middles
    }

    /// Whether what lies between can be computed in this arrangement.
    fn holds(&self, middle: &Axes) -> bool {
        let matrix = self.between.iter().any(|b| b.link.kind == Kind::Matrix);
        let whole = match &self.row {
            None => true,
            // At the source nothing has torn the rows yet.
            Some(row) if row.whole && middle == self.layout.frame(0) => true,
            Some(row) => middle.last() == Some(&row.factors) && self.is_untorn(row),
        };
        whole && (!matrix || middle.len() == 2)
    }

    /// Whether no later movement has split the rows.
    fn is_untorn(&self, row: &Row) -> bool {
        let mut left = row.factors.iter().map(|&f| &self.layout.sizes[f]);
        left.next().is_some_and(|first| first.same(&row.size).is_proven())
    }

    /// The sizes of the factors before any row is computed.
    fn early(&self) -> Vec<Dim> {
        let mut early = self.layout.sizes.clone();
        if let Some(row) = &self.row {
            row.factors.iter().zip(&row.before).for_each(|(&f, size)| early[f] = size.clone());
        }
        early
    }

    fn write(&self, cx: &Context<'_>, placed: bool) -> Option<Written> {
        let mut middles = self.middles();
        middles.retain(|m| !placed || self.is_placed_at(cx, m));
        middles.iter().filter_map(|m| self.write_at(cx, m)).min_by_key(|w| w.movements)
    }

    /// Whether products computed in this arrangement have their rows in the order of the end, if they had before.
    fn is_placed_at(&self, cx: &Context<'_>, middle: &Axes) -> bool {
        let is_product = |b: &&Between| ["MatMul", "Gemm"].iter().any(|op| cx.node(b.link.node).op().is(op));
        self.between.iter().filter(is_product).all(|product| {
            let was = self.layout.frame(product.frame);
            let row = was.last().map_or(&[][..], Vec::as_slice);
            let rows = |axes: &Axes| -> Vec<usize> {
                axes.iter().flatten().copied().filter(|f| !row.contains(f)).collect()
            };
            let end = rows(self.layout.last());
            rows(was) != end || rows(middle) == end
        })
    }

    fn write_at(&self, cx: &Context<'_>, middle: &Axes) -> Option<Written> {
        let source = cx.graph.shape(self.source)?;
        let before = self.shortest(cx, source, self.layout.frame(0), middle, &self.early())?;
        let between = shape(middle, &self.layout.sizes)?;
        let after = self.shortest(cx, &between, middle, self.layout.last(), &self.layout.sizes)?;

        let mut patch = Patch::new();
        let mut x = Ref::Old(self.source);
        for op in &before {
            x = op.write(cx, &mut patch, x);
        }
        for between in &self.between {
            x = self.compute(cx, &mut patch, x, between, middle)?;
        }
        for op in &after {
            x = op.write(cx, &mut patch, x);
        }
        patch.replace(cx.node(self.links[0].node).outputs()[0], x);
        let movements = before.len() + after.len();
        Some(Written {
            patch,
            movements,
            was: self.movements,
            links: self.links.len(),
            pure: self.between.is_empty(),
        })
    }

    fn shortest(
        &self,
        cx: &Context<'_>,
        shape: &[Dim],
        from: &Axes,
        to: &Axes,
        sizes: &[Dim],
    ) -> Option<Vec<Op>> {
        plans(from, to, sizes).iter().find_map(|plan| realize(cx, shape, plan, &self.known))
    }

    /// The node of a link on the moved value.
    fn compute(
        &self,
        cx: &Context<'_>,
        patch: &mut Patch,
        x: Ref,
        at: &Between,
        middle: &Axes,
    ) -> Option<Ref> {
        let link = at.link;
        let node = cx.node(link.node);
        let mut inputs: Vec<Ref> = node.inputs().map(Ref::from).collect();
        inputs[link.data] = x;
        if let Kind::With(other) = link.kind {
            let (mut sizes, mut from, mut to) =
                (self.early(), self.layout.frame(at.frame).clone(), middle.clone());
            if let (Some(row), Some(size)) = (&self.row, &at.row) {
                // Rows may have had another size here, and may be torn later.
                row.factors.iter().for_each(|&f| sizes[f] = Dim::Fixed(1));
                sizes[row.factors[0]] = size.clone();
                [&mut from, &mut to]
                    .into_iter()
                    .filter_map(|axes| axes.last_mut())
                    .for_each(|axis| axis.truncate(1));
            }
            inputs[other] = operand::moved(cx, patch, node.input(other)?, &sizes, &from, &to)?;
        }
        let out = patch.copy(node, inputs);
        if link.kind == Kind::Rows && !node.op().is("MatMul") {
            patch.reset_attr("axis", -1i64);
        }
        Some(out)
    }
}

/// A part written anew.
struct Written {
    patch: Patch,
    movements: usize,
    was: usize,
    /// How many links it takes the place of.
    links: usize,
    /// Whether nothing but movements was in it.
    pure: bool,
}

impl Written {
    /// Whether there are fewer nodes, or as many of which the end no more reads a movement that others read too, or a
    /// transposition became a reshape.
    fn saves(&self, cx: &Context<'_>, chain: &Chain) -> bool {
        let dying = self.dying(chain);
        if self.links == 1 {
            let transposes = cx.node(chain.links[0].node).op().is("Transpose");
            return transposes && !self.patch.adds("Transpose");
        }
        self.movements < dying || (self.pure && self.links > chain.own && self.movements <= dying)
    }

    fn saved(&self, chain: &Chain) -> isize {
        self.dying(chain) as isize - self.movements as isize
    }

    /// Movements that nobody reads any more.
    fn dying(&self, chain: &Chain) -> usize {
        if self.links <= chain.own { self.was } else { chain.own }
    }
}
