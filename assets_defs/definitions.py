"""The code location: every asset, job, schedule and sensor, and the resource they share.

dagster definitions validate -w workspace.yaml
"""

import warnings

import dagster as dg

# Backfill policies and pools are marked beta; a notice on every command helps nobody.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

from assets_defs import jobs, sensors  # noqa: E402
from assets_defs.curate import assets as curate  # noqa: E402
from assets_defs.curate import duplicates  # noqa: E402
from assets_defs.evaluate import assets as evaluate  # noqa: E402
from assets_defs.generate import assets as generate  # noqa: E402
from assets_defs.ingest import assets as ingest  # noqa: E402
from assets_defs.resources import DataSetResource  # noqa: E402
from assets_defs.tokenize import assets as tokenize  # noqa: E402
from assets_defs.train import assets as train  # noqa: E402

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([ingest, tokenize, duplicates, curate, train, evaluate, generate]),
    jobs=jobs.JOBS,
    schedules=[jobs.weekly_rebuild],
    sensors=[sensors.new_files],
    resources={"data_set": DataSetResource()},
    # One process a run: steps that need their own memory (workers, ranks) start processes themselves.
    executor=dg.in_process_executor,
)
