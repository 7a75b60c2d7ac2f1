"""A deep recursion: evaluates expressions that are nested so deeply that some 500 frames stand on each other."""
import sys

LEVELS = 166


def nested(levels):
    node = ("number", 7)
    for level in range(1, levels + 1):
        node = [("add", node, ("number", level)), ("negate", node), ("repeat", node, 2)][level % 3]
    return node


def evaluate(node):
    return NODES[node[0]](node)


def evaluate_all(nodes):
    return [evaluate(node) for node in nodes]


def visit_add(node):
    return sum(evaluate_all(node[1:]))


def visit_negate(node):
    return -sum(evaluate_all(node[1:2]))


def visit_repeat(node):
    return sum(evaluate_all(node[1:2])) * node[2] % 1000003


def visit_number(node):
    total = node[1]
    for turn in range(40 * node[1]):
        total = (total * 31 + turn) % 1000003
    return total


NODES = {"add": visit_add, "negate": visit_negate, "repeat": visit_repeat, "number": visit_number}


def main():
    sys.setrecursionlimit(5000)
    program = nested(LEVELS)
    while True:
        evaluate(program)


if __name__ == "__main__":
    main()
