package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/yaml"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// writeAttempts bounds how often a status is tried against another writer. The
// ref has one writer: more than one conflict in a row is a fault to report.
const writeAttempts = 3

// recall reads the status that was written last, by this process or one before
// it. Without it nothing is known of what exists, so no step is made.
func recall(ctx context.Context, sink Sink, cluster string, m *Memory) error {
	if m.known {
		return nil
	}
	last, err := sink.Last(ctx, cluster)
	if err != nil {
		return fmt.Errorf("read the last status of cluster %s: %w", cluster, err)
	}
	m.last = written{commit: last.Commit, when: last.When}
	if last.Commit != "" {
		if m.last.body, err = decode(last.Data); err != nil {
			return fmt.Errorf("parse the last status of cluster %s in commit %s (delete %s to start it anew): %w",
				cluster, last.Commit, schemas.InfraStatusRef(cluster), err)
		}
	}
	m.known = true
	return nil
}

// decode reads a status leniently: one of a later version may hold fields that
// this version does not know.
func decode(data []byte) (schemas.InfraStatusBody, error) {
	var document schemas.InfraStatus
	if err := yaml.Unmarshal(data, &document); err != nil {
		return schemas.InfraStatusBody{}, err
	}
	if document.Kind != schemas.KindInfraStatus {
		return schemas.InfraStatusBody{}, fmt.Errorf("the document is of kind %q, not %s", document.Kind, schemas.KindInfraStatus)
	}
	return document.Status, nil
}

// announce makes sure that the UID of a cluster is on record before a provider
// makes anything for it: what exists can then always be found and taken down,
// also after a crash.
func announce(ctx context.Context, o Options, cluster string, m *Memory, want, subject *desired, p plan) error {
	if p.action != actConverge || m.last.body.UID == subject.cluster.Spec.UID {
		return nil
	}
	body := begun(m.last.body, want, subject)
	body.Conditions = merge(nil, []schemas.Condition{verified, notReady(string(body.Phase), "")}, o.Now())
	return report(ctx, o, cluster, m, body)
}

// reportRefusal reports why the desired branch is not followed and returns that
// reason. A cluster that this process has not followed before may be another
// gateway's: its status is left alone.
func reportRefusal(ctx context.Context, o Options, cluster string, m *Memory, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.desired == nil || m.desired.infrastructure == nil || m.last.commit == "" {
		return cause
	}
	if _, ours := o.Providers[m.desired.infrastructure.Cloud.Type]; !ours {
		return cause
	}
	return errors.Join(cause, report(ctx, o, cluster, m, refused(m.last.body, cause, o.Now())))
}

// report writes a status if it is due.
func report(ctx context.Context, o Options, cluster string, m *Memory, body schemas.InfraStatusBody) error {
	for range writeAttempts {
		if !due(m.last, body, o.Now(), o.Heartbeat) {
			return nil
		}
		err := write(ctx, o, cluster, m, body)
		if !errors.Is(err, sync.ErrConflict) {
			return err
		}
		o.Log.WarnContext(ctx, "another status stands where one was to be written", "cluster", cluster)
		m.known = false
		if err := recall(ctx, o.Sink, cluster, m); err != nil {
			return err
		}
		if m.last.body.Observed.Generation > body.Observed.Generation {
			return fmt.Errorf("write the status of cluster %s: generation %d is on record, this is of %d; another gateway runs for this cluster",
				cluster, m.last.body.Observed.Generation, body.Observed.Generation)
		}
	}
	return fmt.Errorf("write the status of cluster %s: %w %d times; another gateway runs for this cluster", cluster, sync.ErrConflict, writeAttempts)
}

// write puts a status in place of the last one and remembers it.
func write(ctx context.Context, o Options, cluster string, m *Memory, body schemas.InfraStatusBody) error {
	now := o.Now().Truncate(time.Second)
	body.Sequence = m.last.body.Sequence + 1
	body.Previous = m.last.commit
	data, err := encode(cluster, body)
	if err != nil {
		return fmt.Errorf("encode the status of cluster %s: %w", cluster, err)
	}
	subject := fmt.Sprintf("status of %s: infrastructure %s (%d)", cluster, body.Phase, body.Sequence)
	commit, err := o.Sink.Write(ctx, cluster, m.last.commit, Report{When: now, Subject: subject, Data: data})
	if err != nil {
		return fmt.Errorf("write the status of cluster %s: %w", cluster, err)
	}
	if body.Phase != m.last.body.Phase || body.UID != m.last.body.UID {
		o.Log.InfoContext(ctx, "infrastructure", "cluster", cluster, "uid", body.UID, "phase", body.Phase)
	}
	m.last = written{commit: commit, when: now, body: body}
	return nil
}
