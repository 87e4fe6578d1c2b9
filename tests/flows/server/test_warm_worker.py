"""The worker as Prefect knows it."""

from prefect.workers.process import ProcessWorker

from flows.server.warm_worker import WarmWorker


def test_a_pool_of_processes_fits() -> None:
    """What a pool of the process worker says of its jobs is what this worker reads."""
    assert WarmWorker.get_default_base_job_template() == ProcessWorker.get_default_base_job_template()
    assert set(WarmWorker.get_all_available_worker_types()) >= {"process", "step4-warm"}
