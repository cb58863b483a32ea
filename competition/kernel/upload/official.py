"""Kaggle's client with two corrections. Importing it signs in, so import it late."""

from typing import Any

from kaggle.api.kaggle_api_extended import KaggleApi
from kagglesdk import KaggleClient
from kagglesdk.kernels.types import kernels_api_service as kernels


class Api(KaggleApi):
    """The client, but it obeys KAGGLE_API_ENVIRONMENT and reports a failed upload."""

    def build_kaggle_client(self) -> KaggleClient:
        """Open a connection to the server that KAGGLE_API_ENVIRONMENT names.

        The original always uses the real Kaggle, though its SDK can use other servers.
        """
        return KaggleClient(
            username=self.config_values.get(self.CONFIG_NAME_USER),
            password=self.config_values.get(self.CONFIG_NAME_KEY),
            api_token=self.config_values.get(self.CONFIG_NAME_TOKEN),
            response_processor=self.get_response_processor(),
        )

    def _upload_file(self, file_name: str, *arguments: Any) -> Any:
        uploaded = super()._upload_file(file_name, *arguments)
        if uploaded is None:
            # The original leaves the file out of the dataset and goes on.
            raise ConnectionError(f"{file_name} could not be uploaded")
        return uploaded

    def outputs(self, kernel: str) -> tuple[dict[str, str], str]:
        """Return the URLs of all output files of a kernel by name, and its log."""
        urls: dict[str, str] = {}
        request = kernels.ApiListKernelSessionOutputRequest()
        request.user_name, request.kernel_slug = kernel.split("/")
        with self.build_kaggle_client() as kaggle:
            while True:
                answer = kaggle.kernels.kernels_api_client.list_kernel_session_output(
                    request
                )
                urls |= {each.file_name: each.url for each in answer.files}
                if not answer.next_page_token:
                    return urls, answer.log or ""
                request.page_token = answer.next_page_token
