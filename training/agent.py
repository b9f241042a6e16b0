"""torch.distributed.run that dies with whoever started it, and without a page of its own traceback.

python -m training.agent --standalone --nproc_per_node 2 -m training.loop RUN
"""

import os
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

from training.lifetime import follow_parent


def run_agent() -> int:
    """Run the agent; its status is 0, that of the first rank that failed, or 128 + the signal that came."""
    follow_parent(int(os.environ.get("MESHLOOM_LAUNCHER_PID", os.getppid())))
    os.environ["MESHLOOM_AGENT_PID"] = str(os.getpid())
    try:
        main()
    except SignalException as stop:
        return 128 + int(stop.sigval)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        print(f"rank {rank} ended with status {failure.exitcode}{_hint()}", file=sys.stderr)
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    return 0


def _hint() -> str:
    if "--nnodes" not in sys.argv:
        return ""
    return "; another machine may have ended before it: see what it said, then start all again with --resume"


if __name__ == "__main__":
    sys.exit(run_agent())
