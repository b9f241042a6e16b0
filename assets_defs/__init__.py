"""The Dagster layer: thin definitions over the functions of `pipelines` and `training`.

    export DAGSTER_HOME=$PWD/.dagster
    dagster dev -w workspace.yaml                      # the web UI
    dagster job launch -w workspace.yaml -j rebuild    # everything, from raw files to the evaluation

One folder per group of assets, each with an `assets.py`. Nothing heavy (torch, webdataset, pymeshlab) is
imported before the step that needs it runs.
"""
