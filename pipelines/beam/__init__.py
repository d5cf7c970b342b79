"""Running a Beam job: the choice of the runner, the job's errors, the log output of the local runner."""
