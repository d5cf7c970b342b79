"""Builds the job of a search for hyperparameters on Vertex AI, from the space of `pipelines.tune`."""

from google.cloud.aiplatform_v1.types import CustomJobSpec, HyperparameterTuningJob, StudySpec

from pipelines.tuning.space import Choice, Range, Space

Parameter = StudySpec.ParameterSpec
Metric = StudySpec.MetricSpec
_LOWER_IS_BETTER = {"loss"}


def tuning_job(
    name: str, space: Space, metric: str, trials: int, parallel: int, training: CustomJobSpec
) -> HyperparameterTuningJob:
    """Returns the job of a search.

    The score of a trial is its last reported value: the best of several validations would be too favourable, and the
    exported weights are the last ones.

    Args:
        metric: a key of `trainer.settings.METRICS`.
        trials: number of trainings.
        parallel: number of trainings at the same time.
        training: of a trial; Vertex AI adds the hyperparameters to its arguments.
    """
    goal = Metric.GoalType.MINIMIZE if metric in _LOWER_IS_BETTER else Metric.GoalType.MAXIMIZE
    study = StudySpec(
        metrics=[Metric(metric_id=metric, goal=goal)],
        parameters=[_parameter(option, values) for option, values in space.items()],
        measurement_selection_type=StudySpec.MeasurementSelectionType.LAST_MEASUREMENT,
    )
    return HyperparameterTuningJob(
        display_name=name,
        study_spec=study,
        max_trial_count=trials,
        parallel_trial_count=parallel,
        trial_job_spec=training,
    )


def _parameter(name: str, values: Choice | Range) -> StudySpec.ParameterSpec:
    """Returns a parameter. A list of numbers is a list of categories, because categories are passed on as written."""
    if isinstance(values, Choice):
        return Parameter(parameter_id=name, categorical_value_spec={"values": list(values.values)})
    scale = Parameter.ScaleType.UNIT_LOG_SCALE if values.log else Parameter.ScaleType.UNIT_LINEAR_SCALE
    if values.whole:
        limits = {"min_value": int(values.low), "max_value": int(values.high)}
        return Parameter(parameter_id=name, integer_value_spec=limits, scale_type=scale)
    return Parameter(
        parameter_id=name, double_value_spec={"min_value": values.low, "max_value": values.high}, scale_type=scale
    )


def describe_trials(job: HyperparameterTuningJob) -> list[str]:
    """Returns a line with score and options for each trial with a result, the best first; then the number of trials."""
    (metric,) = job.study_spec.metrics
    sign = 1 if metric.goal == Metric.GoalType.MINIMIZE else -1
    done = [trial for trial in job.trials if trial.final_measurement.metrics]
    done.sort(key=lambda trial: (sign * trial.final_measurement.metrics[0].value, int(trial.id)))
    lines = [
        f"trial {trial.id:>3}  {metric.metric_id} {trial.final_measurement.metrics[0].value:.3f}  {_options(trial)}"
        for trial in done
    ]
    return [*lines, f"{len(job.trials)} of {job.max_trial_count} trials begun"]


def _options(trial) -> str:
    return " ".join(f"--{parameter.parameter_id}={_text(parameter.value)}" for parameter in trial.parameters)


def _text(value) -> str:
    """Returns the value of a parameter; whole numbers arrive as fractions, e.g. 300.0."""
    return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
