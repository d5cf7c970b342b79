"""Registers models and their evaluations, with Google's client library."""

from google.api_core import operation
from google.api_core.operations_v1 import AbstractOperationsClient, OperationsRestTransport
from google.cloud.aiplatform_v1.services.model_service import ModelServiceClient
from google.cloud.aiplatform_v1.services.model_service.transports import ModelServiceRestTransport
from google.cloud.aiplatform_v1.types import Model, ModelEvaluation, UploadModelRequest, UploadModelResponse

from pipelines.vertex_ai.service import REQUEST_SECONDS, address, parent_of, translate_errors

_UPLOAD_SECONDS = 1800.0  # Vertex AI copies the files of the model


class Models:
    """The Model Registry of a project in a region. All methods raise the errors of `translate_errors`.

    Args:
        endpoint: address of the service; empty for Google's in the region.
    """

    def __init__(self, project: str, region: str, endpoint: str = ""):
        self._parent = parent_of(project, region)
        where = address(region, endpoint)
        with translate_errors("Vertex AI"):
            self._client = ModelServiceClient(transport=ModelServiceRestTransport(**where))
            transport = OperationsRestTransport(host=f"{where['url_scheme']}://{where['host']}")
            self._operations = AbstractOperationsClient(transport=transport)

    def upload(self, model: Model, parent_model: str) -> str:
        """Registers a model, and waits until this is done.

        Args:
            parent_model: name of the model of which it becomes a new version; "" for a new model.

        Returns:
            The name of the model with its version, projects/P/locations/R/models/NUMBER@VERSION.
        """
        request = UploadModelRequest(parent=self._parent, parent_model=parent_model, model=model)
        with translate_errors(self._parent):
            begun = self._client.upload_model(request=request, timeout=REQUEST_SECONDS).operation
            # The client of the service asks for operations at /ui; the documented path is /v1, as in this client.
            upload = operation.from_gapic(begun, self._operations, UploadModelResponse)
            done = upload.result(timeout=_UPLOAD_SECONDS)
        return f"{done.model}@{done.model_version_id}"

    def add_evaluation(self, model: str, evaluation: ModelEvaluation) -> str:
        """Adds an evaluation to a model; returns its name."""
        with translate_errors(model):
            return self._client.import_model_evaluation(
                parent=model, model_evaluation=evaluation, timeout=REQUEST_SECONDS
            ).name
