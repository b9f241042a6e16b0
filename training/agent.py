"""torch.distributed.run that dies with whoever started it.

python -m training.agent --standalone --nproc_per_node 2 -m training.loop RUN
"""

import os

from torch.distributed.run import main

from training.lifetime import follow_parent

if __name__ == "__main__":
    follow_parent(int(os.environ.get("MESHLOOM_LAUNCHER_PID", os.getppid())))
    os.environ["MESHLOOM_AGENT_PID"] = str(os.getpid())
    main()
