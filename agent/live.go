package agent

import (
	"strconv"
	gosync "sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"branchline.dev/branchline/schemas"
)

// record is what the agent remembers of a live object. The object itself is
// dropped: at 10,000 objects it would not fit the agent's memory.
type record struct {
	UID        string
	Version    uint64 // resourceVersion
	Owner      string
	Print      string
	Health     health
	Deleting   bool
	Finalizers []string
	Keep       bool // schemas.PruneAnnotation says so
}

func newRecord(object *unstructured.Unstructured) record {
	return record{
		UID:        string(object.GetUID()),
		Version:    parseVersion(object.GetResourceVersion()),
		Owner:      object.GetLabels()[schemas.OwnerLabel],
		Print:      fingerprint(object),
		Health:     assess(object),
		Deleting:   object.GetDeletionTimestamp() != nil,
		Finalizers: object.GetFinalizers(),
		Keep:       object.GetAnnotations()[schemas.PruneAnnotation] == "disabled",
	}
}

// parseVersion reads a resourceVersion, which API servers promise to be a
// number that grows (Kubernetes KEP-5504). What is none counts as oldest.
func parseVersion(version string) uint64 {
	number, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return number
}

// live holds a record of every labelled object of the kinds that are watched.
// Only watches write to it, so it is always some true state of the past.
type live struct {
	mu       gosync.Mutex
	records  map[objectID]record
	kinds    map[schema.GroupKind]kindProgress
	crds     int // grows whenever a CustomResourceDefinition may have become usable
	changed  chan<- struct{}
	settling bool // the last pass saw records older than its own writes
}

// kindProgress is how far the watch of a kind has come.
type kindProgress struct {
	synced bool
	seen   uint64 // newest resourceVersion
}

func newLive(changed chan<- struct{}) *live {
	return &live{records: map[objectID]record{}, kinds: map[schema.GroupKind]kindProgress{}, changed: changed}
}

// view is the state of one object at one moment.
type view struct {
	record record
	exists bool
	synced bool   // the kind was listed as a whole, so that !exists means something
	seen   uint64 // how far the watch of its kind has come
}

func (l *live) view(id objectID) view {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, exists := l.records[id]
	progress := l.kinds[id.groupKind()]
	return view{record: found, exists: exists, synced: progress.synced, seen: progress.seen}
}

// expect makes the next event count as a change whatever it holds, since a
// pass waits for the watches to show its own writes.
func (l *live) expect(settling bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settling = settling
}

func (l *live) usableCRDs() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.crds
}

func (l *live) put(id objectID, next record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance(id.groupKind(), next.Version)
	before, existed := l.records[id]
	l.records[id] = next
	if !existed || !before.same(next) || l.settling {
		l.note(id)
	}
}

func (l *live) remove(id objectID, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance(id.groupKind(), version)
	delete(l.records, id)
	l.note(id)
}

// replace takes a complete list of a kind.
func (l *live) replace(kind schema.GroupKind, listed map[objectID]record, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.records {
		if _, still := listed[id]; id.groupKind() == kind && !still {
			delete(l.records, id)
		}
	}
	for id, next := range listed {
		l.records[id] = next
		version = max(version, next.Version)
	}
	l.advance(kind, version)
	progress := l.kinds[kind]
	progress.synced = true
	l.kinds[kind] = progress
	l.note(objectID{Group: kind.Group, Kind: kind.Kind})
}

// forget ends the knowledge of a kind that is not watched any more.
func (l *live) forget(kind schema.GroupKind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.kinds, kind)
	for id := range l.records {
		if id.groupKind() == kind {
			delete(l.records, id)
		}
	}
}

func (l *live) advance(kind schema.GroupKind, version uint64) {
	progress := l.kinds[kind]
	progress.seen = max(progress.seen, version)
	l.kinds[kind] = progress
}

func (l *live) note(id objectID) {
	if isCRD(id.groupKind()) {
		l.crds++
	}
	select {
	case l.changed <- struct{}{}:
	default: // a pass is due already
	}
}

// same compares everything that a pass acts on.
func (r record) same(other record) bool {
	return r.UID == other.UID && r.Owner == other.Owner && r.Print == other.Print &&
		r.Health == other.Health && r.Deleting == other.Deleting && r.Keep == other.Keep &&
		len(r.Finalizers) == len(other.Finalizers)
}
