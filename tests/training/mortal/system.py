"""Mesh Silksong whose ranks die where the environment tells them to, without a word.

MORTAL_STEP=3      in the third training step of the process
MORTAL_SAVE=17     before the seventeenth operation on files of checkpoints that Python knows of
MORTAL_WHOM=rank   who is killed: the rank, its launcher, or the node (launcher, agent and rank)
"""

import os
import signal
import sys
from typing import Any

from torch import Tensor

from model.silksong.modules import SilksongModel
from model.silksong.system import SYSTEM as SILKSONG
from model.silksong.system import DecoderStage
from model.systems import Batch, Networks, System

FILE_EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir", "shutil.rmtree"}


class Countdown:
    """Kills when it has been counted down."""

    def __init__(self, variable: str) -> None:
        self.left = int(os.environ.get(variable, "0")) if "RANK" in os.environ else 0

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            launcher, agent = os.environ["MESHLOOM_LAUNCHER_PID"], os.environ["MESHLOOM_AGENT_PID"]
            victims = {"rank": [], "launcher": [launcher], "node": [launcher, agent]}
            whom = os.environ.get("MORTAL_WHOM", "rank")
            for pid in victims[whom]:
                os.kill(int(pid), signal.SIGKILL)
            if whom != "launcher":
                os.kill(os.getpid(), signal.SIGKILL)


STEPS, OPERATIONS = Countdown("MORTAL_STEP"), Countdown("MORTAL_SAVE")


class MortalStage(DecoderStage):
    """The decoder, until."""

    def loss_sum(self, network: SilksongModel, batch: Batch, earlier: Networks) -> tuple[Tensor, Tensor]:
        """As ever."""
        if network.training:
            STEPS.count()
        return super().loss_sum(network, batch, earlier)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event in FILE_EVENTS and arguments and "/checkpoints/" in str(arguments[0]):
        OPERATIONS.count()


if OPERATIONS.left:
    sys.addaudithook(_hear)
SYSTEM = System(SILKSONG.config, (MortalStage(),), SILKSONG.generator)
