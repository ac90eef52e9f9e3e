-- 035_fidelity_axiom: the fifth axiom: FIDELITY
--
-- Seven dimensions that ask whether the judge is true to itself; with them there are thirty-six.
-- migrate:up

INSERT INTO discovered_dimensions (dimension_id, name, description, category, weight, metadata) VALUES
    ('COMMITMENT', 'COMMITMENT', 'is what was promised kept', 'FIDELITY', 1.618034, '{"position": 1, "threshold": 50}'),
    ('ATTUNEMENT', 'ATTUNEMENT', 'is it attentive to its context', 'FIDELITY', 0.618034, '{"position": 2, "threshold": 50}'),
    ('CANDOR', 'CANDOR', 'does it say what is uncomfortable', 'FIDELITY', 1, '{"position": 3, "threshold": 50}'),
    ('CONGRUENCE', 'CONGRUENCE', 'do word and deed agree', 'FIDELITY', 1.618034, '{"position": 4, "threshold": 50}'),
    ('ACCOUNTABILITY', 'ACCOUNTABILITY', 'does somebody answer for it', 'FIDELITY', 0.381966, '{"position": 5, "threshold": 50}'),
    ('VIGILANCE', 'VIGILANCE', 'is it watchful for what may go wrong', 'FIDELITY', 0.618034, '{"position": 6, "threshold": 50}'),
    ('KENOSIS', 'KENOSIS', 'does it step back from itself', 'FIDELITY', 0.618034, '{"position": 7, "threshold": 50}');

-- migrate:down

DELETE FROM discovered_dimensions WHERE category = 'FIDELITY';
