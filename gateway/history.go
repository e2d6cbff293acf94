package gateway

import (
	"context"

	"branchline.dev/branchline/schemas"
)

// historyLimit bounds how far back a desired branch is read. The commits looked
// for are the newest but a few: more means that they do not exist.
const historyLimit = 1000

// incarnation returns the desired state of the cluster that is to be acted on
// now, complete with its infrastructure. It is the tip's, unless a cluster of
// the same name with another UID is still there: that one is taken down first,
// if a commit ended it.
func incarnation(ctx context.Context, o Options, cluster string, tip *desired, m *Memory) (*desired, error) {
	last := m.last.body
	replaced := last.UID != "" && last.UID != tip.cluster.Spec.UID && last.Phase != schemas.InfraDeleted
	key := subjectKey{tip: tip.commit}
	if replaced {
		key.replaced = last.UID
	}
	if m.subject != nil && m.subjectKey == key {
		return m.subject, nil
	}
	subject := tip
	var err error
	if replaced {
		if subject, err = predecessor(ctx, o, cluster, tip, last.UID); err != nil {
			return nil, err
		}
	}
	if subject, err = completed(ctx, o, cluster, subject); err != nil {
		return nil, err
	}
	m.subject, m.subjectKey = subject, key
	return subject, nil
}

// subjectKey is what decides which incarnation is acted on.
type subjectKey struct {
	tip      string
	replaced string // UID of the earlier cluster, if it is still there
}

// predecessor returns the commit that ended the cluster uid.
func predecessor(ctx context.Context, o Options, cluster string, tip *desired, uid string) (*desired, error) {
	d, err := ancestor(ctx, o, cluster, tip, func(d *desired) bool { return d.cluster.Spec.UID == uid })
	if err != nil {
		return nil, err
	}
	if d == nil || d.cluster.Spec.Tombstone == nil {
		return nil, refuse(reasonUIDChanged, "commit %s is for uid %s, but uid %s exists and no commit ended it; remove the cluster first, then add it again",
			tip.commit, tip.cluster.Spec.UID, uid)
	}
	return d, nil
}

// completed returns d with the last known infrastructure if it has none itself.
func completed(ctx context.Context, o Options, cluster string, d *desired) (*desired, error) {
	if d.infrastructure != nil {
		return d, nil
	}
	uid := d.cluster.Spec.UID
	known, err := ancestor(ctx, o, cluster, d, func(d *desired) bool {
		return d.cluster.Spec.UID == uid && d.infrastructure != nil
	})
	if err != nil {
		return nil, err
	}
	if known == nil {
		return nil, refuse(reasonMalformed, "commit %s ends uid %s, but no commit before it says what to take down", d.commit, uid)
	}
	complete := *d
	complete.infrastructure = known.infrastructure
	return &complete, nil
}

// ancestor returns the newest commit before d that matches, nil if there is
// none. The signature of d covers the names of all that came before, so theirs
// need not be looked at; their keys may have been retired since.
func ancestor(ctx context.Context, o Options, cluster string, d *desired, matches func(*desired) bool) (*desired, error) {
	for range historyLimit {
		if len(d.parents) == 0 {
			return nil, nil
		}
		id := d.parents[0]
		commit, err := o.Source.Commit(ctx, id)
		if err != nil {
			return nil, refuse(reasonReadFailed, "read commit %s: %w", id, err)
		}
		if d, err = readCommit(ctx, o, cluster, commit); err != nil {
			return nil, err
		}
		if matches(d) {
			return d, nil
		}
	}
	return nil, nil
}
