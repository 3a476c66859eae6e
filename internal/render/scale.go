package render

import "strconv"

// Workers leave slowly: a queue that is empty for a moment is not one without work.
const (
	scaleDownAfter = 300 // s without need
	scaleDownShare = 50  // % of the workers a minute
)

func scaleBehavior() object {
	return object{{"scaleDown", object{
		{"stabilizationWindowSeconds", scaleDownAfter},
		{"policies", []object{{{"type", "Percent"}, {"value", scaleDownShare}, {"periodSeconds", 60}}}},
	}}}
}

// scale adds what makes a Deployment follow its queues.
func (k *cluster) scale(name string, q process) {
	if k.options.Scaler == ScaleKEDA {
		k.add("keda.sh/v1alpha1", "ScaledObject", name, q.name, field{"spec", object{
			{"scaleTargetRef", object{{"name", name}}},
			{"minReplicaCount", q.min},
			{"maxReplicaCount", q.max},
			{"pollingInterval", 15},
			{"cooldownPeriod", scaleDownAfter},
			{"fallback", noted{"What nobody can measure stays as it is.", object{{"failureThreshold", 4}, {"replicas", max(q.min, 1)}, {"behavior", "currentReplicas"}}}},
			{"advanced", object{{"horizontalPodAutoscalerConfig", object{{"behavior", scaleBehavior()}}}}},
			{"triggers", []object{{
				{"type", "prometheus"},
				{"metricType", "AverageValue"},
				{"metadata", object{
					{"serverAddress", k.options.Prometheus},
					{"query", noted{"Messages that wait, and tasks that run: by depth alone a queue that is being worked on would lose its workers.", q.backlogQuery()}},
					{"threshold", strconv.Itoa(q.backlog)},
					{"ignoreNullValues", "false"},
				}},
			}}},
		}})
		return
	}
	k.add("autoscaling/v2", "HorizontalPodAutoscaler", name, q.name, field{"spec", object{
		{"scaleTargetRef", object{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}, {"name", name}}},
		{"minReplicas", q.min},
		{"maxReplicas", q.max},
		{"metrics", []object{{
			{"type", "External"},
			{"external", noted{"Of an adapter; deploy/kubernetes has its rule. Running tasks count as well as waiting messages.", object{
				{"metric", object{{"name", BacklogMetric}, {"selector", object{{"matchLabels", object{{"queue", q.queues[0]}}}}}}},
				{"target", object{{"type", "AverageValue"}, {"averageValue", strconv.Itoa(q.backlog)}}},
			}}},
		}}},
		{"behavior", scaleBehavior()},
	}})
}
