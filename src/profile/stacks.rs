//! The prefix tree of stacks. A node is a function, a line, and the node of its caller; so a stack is
//! one number, and what stacks share is kept once.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

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
    nodes: Vec<Node>,
    children: HashTable<NodeId>,
    text_bytes: usize,
    recent: Box<[Recent]>,
}

/// Found lately: one look instead of two searches. The address counts only as long as `by_address`
/// holds the function there.
#[derive(Debug, Clone, Copy)]
struct Recent {
    address: usize,
    line: u32,
    parent: NodeId,
    node: NodeId,
}

impl Recent {
    /// Fits a processor's second cache.
    const COUNT: usize = 1 << 13;
    const NONE: Self = Self { address: 0, line: 0, parent: NodeId::ROOT, node: NodeId::ROOT };
}

/// The nodes of a stack mostly have numbers that follow each other: frames of one kind then lie beside each other, so
/// that a recursion is gone through as memory is, and not from one end of it to the other.
fn slot_of(parent: NodeId, address: usize, line: u32) -> usize {
    let word = u64::from(line) ^ (address as u64).rotate_left(20);
    let place = word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51;
    (place as usize + parent.index()) % Recent::COUNT
}

impl Stacks {
    pub(super) fn new() -> Self {
        let nowhere = Node { parent: NodeId::ROOT, function: FunctionId(u32::MAX), line: 0 };
        Self {
            hash: DefaultHashBuilder::default(),
            functions: Vec::new(),
            manners: Vec::new(),
            by_content: HashTable::new(),
            by_address: HashMap::new(),
            nodes: vec![nowhere],
            children: HashTable::new(),
            text_bytes: 0,
            recent: vec![Recent::NONE; Recent::COUNT].into(),
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
            self.recent.fill(Recent::NONE);
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
        self.by_address.insert(address, (Arc::clone(function), id));
        id
    }

    /// The child of `parent` for this frame, made if need be.
    pub(super) fn child(&mut self, parent: NodeId, frame: &Frame) -> NodeId {
        let address = Arc::as_ptr(&frame.function) as usize;
        let slot = slot_of(parent, address, frame.line);
        let recent = self.recent[slot];
        if (recent.parent, recent.address, recent.line) == (parent, address, frame.line) {
            return recent.node;
        }
        let function = self.function_id(&frame.function);
        let node = self.child_of(Node { parent, function, line: frame.line });
        self.recent[slot] = Recent { address, line: frame.line, parent, node };
        node
    }

    pub(super) fn child_of(&mut self, node: Node) -> NodeId {
        let hash = self.hash.hash_one(node);
        if let Some(id) = self.children.find(hash, |id| self.nodes[id.index()] == node) {
            return *id;
        }
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(node);
        let (nodes, hasher) = (&self.nodes, &self.hash);
        self.children.insert_unique(hash, id, |id| hasher.hash_one(nodes[id.index()]));
        id
    }

    pub(super) fn node(&self, id: NodeId) -> Node {
        self.nodes[id.index()]
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
        self.nodes = vec![self.nodes[0]];
        self.children = HashTable::new();
    }

    /// Lets go of functions that no node needs. Their ids stay taken, so that others keep theirs.
    pub(super) fn release_functions(&mut self) {
        let mut used = vec![false; self.functions.len()];
        for node in &self.nodes[1..] {
            used[node.function.index()] = true;
        }
        let nobody = Arc::new(Function { file: "".into(), name: "".into(), first_line: 0 });
        for (function, _) in self.functions.iter_mut().zip(&used).filter(|(_, used)| !**used) {
            *function = Arc::clone(&nobody);
        }
        self.by_content.retain(|id| used[id.index()]);
        self.by_address.clear();
        self.recent.fill(Recent::NONE);
        self.text_bytes =
            used.iter().zip(&self.functions).filter(|(used, _)| **used).map(|(_, f)| text_of(f)).sum();
    }

    pub(super) fn memory(&self) -> usize {
        // A function lies on the heap beside the two counts of its `Arc`.
        let each = size_of::<Arc<Function>>() + size_of::<Manners>() + size_of::<Function>() + 16;
        self.functions.capacity() * each
            + self.text_bytes
            + self.by_content.allocation_size()
            + self.by_address.allocation_size()
            + self.nodes.capacity() * size_of::<Node>()
            + self.children.allocation_size()
            + size_of_val(&*self.recent)
    }
}

fn text_of(function: &Function) -> usize {
    function.file.len() + function.name.len()
}
