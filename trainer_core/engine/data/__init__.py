"""From a dataset's name to trained tokens.

The way of a row: `source` finds files, a folder of Python or a hub id; `read` yields records with
their place; `detect` tells the format by the columns; `render` puts the prompt around a row and
says which parts count in the loss; `tokenise` writes ids once into a cache; `pack` fills rows of
one sequence length with whole documents; `sample` gives the order as a pure function of seed,
epoch and position; `batch` makes tensors. Everything but `batch` works without torch, so that
`report` (what `moai-tui data` and the form show) starts fast.

    tokenizer = load_tokenizer(config.model)
    data = prepare(config, tokenizer, report=progress)
    rows = plan_rows(data.train.lengths, config.sequence_length, packing=True)
    order = EpochOrder(len(rows), config.seed)
    picked = order.step_rows(step, global_batch_size)          # the same on every rank
    batch = collate(data.train, [rows[row] for row in picked], pad_to=None)

Import from the modules themselves: `from trainer_core.engine.data.prepared import prepare`. This
package imports nothing on its own, to keep the report's start short.
"""
