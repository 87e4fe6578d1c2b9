"""Networks as after a training, small and random: what their norms do must not be nothing."""

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def trained(network: Network) -> Network:
    """The network with statistics and weights in every batch norm as after a training, in evaluation."""
    with torch.no_grad():
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                    if values is not None:
                        values.uniform_(0.5, 2.0)
    return network.eval()
