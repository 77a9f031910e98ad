"""Numbers for operators: metrics in Prometheus' text form, and traces."""

from pointsman.telemetry.gauges import Gauges
from pointsman.telemetry.metrics import CONTENT_TYPE, RequestMetrics, metrics_text
from pointsman.telemetry.traces import Traces

__all__ = ["CONTENT_TYPE", "Gauges", "RequestMetrics", "Traces", "metrics_text"]
