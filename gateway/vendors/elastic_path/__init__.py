"""The kit of Elastic Path Commerce Cloud."""

from gateway.vendors.elastic_path.vendor import ElasticPath

KIT = ElasticPath
