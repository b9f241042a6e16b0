"""A tiny model learns two rows by heart and says them again."""

import numpy as np
import torch

from model.silksong import SilksongConfig, SilksongModel


def test_two_rows_by_heart() -> None:
    torch.manual_seed(0)
    model = SilksongModel(SilksongConfig.tiny())
    tokens = torch.randint(10267, (2, 48))
    tokens[1, 30:] = -1
    points = torch.randn(2, 128, 6)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, betas=(0.9, 0.99))
    loss = torch.tensor(torch.inf)
    for _ in range(150):
        loss = model.loss(tokens, model.condition(points))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.02:
            break
    assert loss < 0.02
    rows = model.generate_with_status(model.condition(points), max_tokens=64)
    assert all(row.ended for row in rows)
    assert np.array_equal(rows[0].tokens, tokens[0])
    assert np.array_equal(rows[1].tokens, tokens[1, :30])
