//! The manifests that attach Tollgate to Istio, Envoy Gateway or a plain Envoy, from the templates of the chart.
