// What is drawn below what. A sequence of items falls apart into chains: each item stands below the one that it takes.

/** Chains of items, in order. A chain ends where the next item takes something else than its last value. */
function chainsOf(items) {
  const chains = [];
  const tails = new Map(); // the chain that a leaf is the end of
  for (const item of items) {
    const [source] = item.inputs;
    const chain = tails.get(source) ?? [];
    if (!chain.length) chains.push(chain);
    tails.delete(source);
    chain.push(item);
    tails.set(item.output, chain);
  }
  return chains;
}

/** Whether an item belongs so closely to the one above that no arrow is needed: a norm, an activation. */
function isSnug(above, item) {
  if (!above.isLeaf || !item.isLeaf || !item.piece.snug || above.piece.op === "input" || above.piece.join)
    return false;
  const takers = item.network.takers[above.first];
  return takers.length === 1 && !item.network.outputs.has(above.first);
}
