"""The simulator of Elastic Path Commerce Cloud."""

from gateway.sandbox.elastic_path.api import ElasticPath

__all__ = ["ElasticPath"]
