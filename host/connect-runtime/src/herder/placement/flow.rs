//! The flow of least cost through a network whose edges cost nothing or one.
//!
//! The primal-dual method: the cheapest paths of one length are filled all together, then those of
//! the next length. There are few lengths, so it takes few rounds.

use std::collections::VecDeque;

#[derive(Clone, Copy)]
struct Edge {
    to: usize,
    /// What may still flow.
    capacity: usize,
    cost: i64,
    /// Where the opposite edge stands in the list of `to`.
    opposite: usize,
    is_forward: bool,
}

/// A network.
pub(super) struct Flow {
    edges: Vec<Vec<Edge>>,
    /// The length of the cheapest path from the source to each node.
    distances: Vec<i64>,
    /// The edge of each node that is to be tried next.
    next: Vec<usize>,
    on_path: Vec<bool>,
}

const FAR: i64 = i64::MAX;

impl Flow {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            edges: vec![Vec::new(); nodes],
            distances: vec![FAR; nodes],
            next: vec![0; nodes],
            on_path: vec![false; nodes],
        }
    }

    pub(super) fn edge(&mut self, from: usize, to: usize, capacity: usize, cost: i64) {
        let (there, back) = (self.edges[from].len(), self.edges[to].len());
        self.edges[from].push(Edge {
            to,
            capacity,
            cost,
            opposite: back,
            is_forward: true,
        });
        self.edges[to].push(Edge {
            to: from,
            capacity: 0,
            cost: -cost,
            opposite: there,
            is_forward: false,
        });
    }

    /// Lets flow as much as can, as cheaply as can be, and says how much that is.
    pub(super) fn run(&mut self, source: usize, target: usize) -> usize {
        let mut all = 0;
        while self.measure(source, target) {
            self.next.fill(0);
            loop {
                let pushed = self.push(source, target, usize::MAX);
                if pushed == 0 {
                    break;
                }
                all += pushed;
            }
        }
        all
    }

    /// The nodes that a node's edges of capacity one lead to, where they are used.
    pub(super) fn used(&self, from: usize) -> impl Iterator<Item = usize> {
        let edges = self.edges[from].iter();
        edges
            .filter(|edge| edge.is_forward && edge.capacity == 0)
            .map(|edge| edge.to)
    }

    /// Finds the cheapest ways; false: the target cannot be reached any more.
    fn measure(&mut self, source: usize, target: usize) -> bool {
        self.distances.fill(FAR);
        self.distances[source] = 0;
        let mut waiting = VecDeque::from([source]);
        let mut is_waiting = vec![false; self.edges.len()];
        while let Some(node) = waiting.pop_front() {
            is_waiting[node] = false;
            for edge in &self.edges[node] {
                let distance = self.distances[node] + edge.cost;
                if edge.capacity > 0 && distance < self.distances[edge.to] {
                    self.distances[edge.to] = distance;
                    if !std::mem::replace(&mut is_waiting[edge.to], true) {
                        waiting.push_back(edge.to);
                    }
                }
            }
        }
        self.distances[target] != FAR
    }

    /// Pushes up to `most` along one cheapest path.
    fn push(&mut self, node: usize, target: usize, most: usize) -> usize {
        if node == target {
            return most;
        }
        self.on_path[node] = true;
        let mut pushed = 0;
        while self.next[node] < self.edges[node].len() {
            let at = self.next[node];
            let edge = self.edges[node][at];
            let is_cheapest = self.distances[edge.to] != FAR
                && self.distances[edge.to] == self.distances[node] + edge.cost;
            if edge.capacity > 0 && is_cheapest && !self.on_path[edge.to] {
                pushed = self.push(edge.to, target, most.min(edge.capacity));
                if pushed > 0 {
                    self.edges[node][at].capacity -= pushed;
                    self.edges[edge.to][edge.opposite].capacity += pushed;
                    break;
                }
            }
            self.next[node] += 1;
        }
        self.on_path[node] = false;
        pushed
    }
}
