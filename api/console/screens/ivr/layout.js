// Where each menu of a tree is drawn: a column for each step down, children beside their parent, none twice.
export const CARD = { width: 250, head: 34, row: 28 };
const GAP = { x: 90, y: 24 };

// {nodes: [{id, x, y, height, rows}], edges: [{from, row, to, count}], width, height}
export function layout(root, menus, rowsOf) {
  const nodes = [];
  const edges = [];
  const placed = new Set();

  // answers how much height the part of the tree takes that begins at `top`
  const place = (id, depth, top) => {
    placed.add(id);
    const rows = rowsOf(menus.get(id));
    const own = CARD.head + rows.length * CARD.row;
    const node = { id, rows, height: own, x: depth * (CARD.width + GAP.x) };
    nodes.push(node);
    let taken = 0;
    rows.forEach((row, index) => {
      if (!row.leads || !menus.has(row.leads)) return;
      if (placed.has(row.leads)) {
        row.back = true;
        return;
      }
      const height = place(row.leads, depth + 1, top + taken);
      edges.push({ from: id, row: index, to: row.leads, count: row.count });
      taken += height + GAP.y;
    });
    taken = Math.max(0, taken - GAP.y);
    node.y = top + Math.max(0, (taken - own) / 2);
    return Math.max(own, taken);
  };
  const height = menus.has(root) ? place(root, 0, 2) : 0;
  return { nodes, edges, width: Math.max(0, ...nodes.map((node) => node.x + CARD.width)) + 2, height: height + 4 };
}
