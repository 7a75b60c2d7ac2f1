//! The prefix tree of stacks. A node is a function, a line, and the node of its caller; so a stack is
//! one number, and what stacks share is kept once.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::places::{self, Origin, Rest};
use crate::sample::{Frame, Function};

/// A function, told apart from others by what it says of itself. Valid as long as its profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub(super) u32);

/// A stack: the frame at its top, and all that lead to it.
///
/// Valid until [`Profile::revision`](super::Profile::revision) changes. A parent's number is always
/// smaller than its children's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    /// The stack without a frame.
    pub const ROOT: Self = Self(0);

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

impl FunctionId {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A frame in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) parent: NodeId,
    pub(super) function: FunctionId,
    pub(super) line: u32,
}

/// A node, and its first child. Most nodes have no other: of a stack that is new nothing must be searched for, and one
/// that is known is gone through as memory is.
#[derive(Debug, Clone, Copy)]
struct Branch {
    node: Node,
    /// [`NodeId::ROOT`] if it has none.
    first: NodeId,
}

/// What [`places`] says of a function, asked once.
#[derive(Debug, Clone, Copy)]
struct Manners {
    origin: Origin,
    rest: Rest,
    plumbing: bool,
}

/// All functions and stacks that were seen.
#[derive(Debug)]
pub(super) struct Stacks {
    hash: DefaultHashBuilder,
    functions: Vec<Arc<Function>>,
    manners: Vec<Manners>,
    by_content: HashTable<FunctionId>,
    /// By address, while we hold the `Arc` and nothing else can be there.
    by_address: HashMap<usize, (Arc<Function>, FunctionId)>,
    nodes: Vec<Branch>,
    /// All but the first ones.
    children: HashTable<NodeId>,
    text_bytes: usize,
}

impl Stacks {
    pub(super) fn new() -> Self {
        let nowhere = Node { parent: NodeId::ROOT, function: FunctionId(u32::MAX), line: 0 };
        let root = Branch { node: nowhere, first: NodeId::ROOT };
        Self {
            hash: DefaultHashBuilder::default(),
            functions: Vec::new(),
            manners: Vec::new(),
            by_content: HashTable::new(),
            by_address: HashMap::new(),
            nodes: vec![root],
            children: HashTable::new(),
            text_bytes: 0,
        }
    }

    /// The number of this function.
    pub(super) fn function_id(&mut self, function: &Arc<Function>) -> FunctionId {
        let address = Arc::as_ptr(function) as usize;
        if let Some((_, id)) = self.by_address.get(&address) {
            return *id;
        }
        // A sampler whose cache turns over makes ever new `Arc`s of the same functions.
        if self.by_address.len() > 2 * self.functions.len() + 1024 {
            self.by_address.clear();
        }
        let hash = self.hash.hash_one(function.as_ref());
        let known = self.by_content.find(hash, |id| *self.functions[id.index()] == **function).copied();
        let id = known.unwrap_or_else(|| {
            let id = FunctionId(u32::try_from(self.functions.len()).unwrap_or(u32::MAX));
            self.functions.push(Arc::clone(function));
            self.manners.push(Manners {
                origin: places::origin(function),
                rest: places::rest(function),
                plumbing: places::is_plumbing(function),
            });
            self.text_bytes += text_of(function);
            let (functions, hasher) = (&self.functions, &self.hash);
            self.by_content.insert_unique(hash, id, |id| hasher.hash_one(functions[id.index()].as_ref()));
            id
        });
        // Those that come are told by their address: the newest is what most frames will have.
        self.functions[id.index()] = Arc::clone(function);
        self.by_address.insert(address, (Arc::clone(function), id));
        id
    }

    /// The child of `parent` for this frame, made if need be.
    pub(super) fn child(&mut self, parent: NodeId, frame: &Frame) -> NodeId {
        let first = self.nodes[parent.index()].first;
        let node = self.node(first);
        let known = self.functions.get(node.function.index());
        if node.line == frame.line && known.is_some_and(|known| Arc::ptr_eq(known, &frame.function)) {
            return first;
        }
        let function = self.function_id(&frame.function);
        self.child_of(Node { parent, function, line: frame.line })
    }

    pub(super) fn child_of(&mut self, node: Node) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        match self.nodes[node.parent.index()].first {
            NodeId::ROOT => self.nodes[node.parent.index()].first = id,
            first if self.node(first) == node => return first,
            _ => {
                let (nodes, hasher) = (&self.nodes, &self.hash);
                let hash = |id: &NodeId| hasher.hash_one(nodes[id.index()].node);
                let is_it = |id: &NodeId| nodes[id.index()].node == node;
                match self.children.entry(hasher.hash_one(node), is_it, hash) {
                    Entry::Occupied(known) => return *known.get(),
                    Entry::Vacant(place) => place.insert(id),
                };
            }
        }
        self.nodes.push(Branch { node, first: NodeId::ROOT });
        id
    }

    pub(super) fn node(&self, id: NodeId) -> Node {
        self.nodes[id.index()].node
    }

    pub(super) fn function(&self, id: FunctionId) -> &Arc<Function> {
        &self.functions[id.index()]
    }

    pub(super) fn origin(&self, id: FunctionId) -> Origin {
        self.manners[id.index()].origin
    }

    pub(super) fn is_plumbing(&self, id: FunctionId) -> bool {
        self.manners[id.index()].plumbing
    }

    /// Does a thread whose stack this is wait for work, if it does nothing?
    pub(super) fn rests(&self, mut node: NodeId) -> bool {
        let rest = |node: NodeId| match node {
            NodeId::ROOT => Rest::No,
            node => self.manners[self.node(node).function.index()].rest,
        };
        if rest(node) != Rest::Reading {
            return rest(node) == Rest::Yes;
        }
        while rest(node) == Rest::Reading {
            node = self.node(node).parent;
        }
        rest(node) == Rest::Asking
    }

    pub(super) fn function_count(&self) -> usize {
        self.functions.len()
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Forgets all nodes, not the functions.
    pub(super) fn clear_nodes(&mut self) {
        self.nodes = vec![Branch { first: NodeId::ROOT, ..self.nodes[0] }];
        self.children = HashTable::new();
    }

    /// Lets go of functions that no node needs. Their ids stay taken, so that others keep theirs.
    pub(super) fn release_functions(&mut self) {
        let mut used = vec![false; self.functions.len()];
        for branch in &self.nodes[1..] {
            used[branch.node.function.index()] = true;
        }
        let nobody = Arc::new(Function { file: "".into(), name: "".into(), first_line: 0 });
        for (function, _) in self.functions.iter_mut().zip(&used).filter(|(_, used)| !**used) {
            *function = Arc::clone(&nobody);
        }
        self.by_content.retain(|id| used[id.index()]);
        let (functions, hasher) = (&self.functions, &self.hash);
        self.by_content.shrink_to_fit(|id| hasher.hash_one(functions[id.index()].as_ref()));
        self.by_address = HashMap::new();
        self.text_bytes =
            used.iter().zip(&self.functions).filter(|(used, _)| **used).map(|(_, f)| text_of(f)).sum();
    }

    pub(super) fn memory(&self) -> usize {
        // A function lies on the heap beside the two counts of its `Arc`; those that were let go of are one.
        self.functions.capacity() * size_of::<Arc<Function>>()
            + self.manners.capacity() * size_of::<Manners>()
            + self.by_content.len() * (size_of::<Function>() + 16)
            + self.text_bytes
            + self.by_content.allocation_size()
            + self.by_address.allocation_size()
            + self.nodes.capacity() * size_of::<Branch>()
            + self.children.allocation_size()
    }
}

fn text_of(function: &Function) -> usize {
    function.file.len() + function.name.len()
}
