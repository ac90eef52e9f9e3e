-- How well probabilities agree with what came true.

-- name: tracked
-- Predictions with their outcomes, the newest first; ids order those of one moment, so that what is fitted is the same each time.
SELECT c.predicted_confidence, c.predicted_outcome, c.actual_outcome
FROM calibration_tracking AS c
WHERE c.service_id = 'default' AND c.created_at >= %(since)s AND c.actual_outcome IS NOT NULL AND c.actual_outcome <> 'partial'
ORDER BY c.created_at DESC, c.id DESC
LIMIT %(limit)s;

-- name: predictions
-- What the Brier score is made of, in the same order.
SELECT b.predicted, b.actual
FROM brier_predictions AS b
WHERE b.service_id = 'default' AND b.timestamp >= %(since)s
ORDER BY b.timestamp DESC, b.id DESC
LIMIT %(limit)s;
