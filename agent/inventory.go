package agent

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// entry is one object in the inventory of a layer.
type entry struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// UID of the live object; empty from before it is created until its UID is stored.
	UID string `json:"uid,omitempty"`
	// Hash of the desired object that was last accepted.
	Hash string `json:"hash,omitempty"`
	// Pruning is set once the deletion of the object was found to be within the budget, or approved.
	Pruning bool `json:"pruning,omitempty"`
}

func (e entry) id() objectID { return objectID{e.Group, e.Kind, e.Namespace, e.Name} }

// layerInventory lists what the agent owns, or is about to, for one layer.
type layerInventory struct {
	Order   int // of the layer when it was last applied
	Entries map[objectID]entry
	dirty   bool // differs from what is stored
}

// inventory lists everything by layer. What the agent owns is in here at any
// moment, whenever it is killed: an object is added before it is applied and
// removed after it is known to be gone.
type inventory map[string]*layerInventory

func (v inventory) layer(name string) *layerInventory {
	if v[name] == nil {
		v[name] = &layerInventory{Entries: map[objectID]entry{}}
	}
	return v[name]
}

func (l *layerInventory) set(e entry) {
	if l.Entries[e.id()] != e {
		l.Entries[e.id()] = e
		l.dirty = true
	}
}

func (l *layerInventory) drop(id objectID) {
	if _, exists := l.Entries[id]; exists {
		delete(l.Entries, id)
		l.dirty = true
	}
}

func (v inventory) size() int {
	distinct := map[objectID]bool{}
	for _, layer := range v {
		for id := range layer.Entries {
			distinct[id] = true
		}
	}
	return len(distinct)
}

// inventoryDocument is the stored form of a layer's inventory.
type inventoryDocument struct {
	Cluster string  `json:"cluster"` // UID
	Layer   string  `json:"layer"`
	Order   int     `json:"order"`
	Objects []entry `json:"objects"`
}

// A ConfigMap holds 1 MiB. Longer lists are compressed, others can be read.
const maxPlainInventory = 512 << 10

// maxInventory bounds what a compressed list may inflate to.
const maxInventory = 64 << 20

func encodeInventory(cluster, name string, layer *layerInventory) (plain string, compressed []byte, err error) {
	document := inventoryDocument{Cluster: cluster, Layer: name, Order: layer.Order, Objects: []entry{}}
	for _, e := range layer.Entries {
		document.Objects = append(document.Objects, e)
	}
	slices.SortFunc(document.Objects, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	encoded, err := json.Marshal(document)
	if err != nil || len(encoded) <= maxPlainInventory {
		return string(encoded), nil, err
	}
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if _, err := writer.Write(encoded); err != nil {
		return "", nil, err
	}
	err = writer.Close()
	return "", buffer.Bytes(), err
}

func decodeInventory(plain string, compressed []byte) (inventoryDocument, error) {
	var document inventoryDocument
	encoded := []byte(plain)
	if len(compressed) > 0 {
		reader, err := gzip.NewReader(bytes.NewReader(compressed))
		if err != nil {
			return document, fmt.Errorf("inflate inventory: %w", err)
		}
		if encoded, err = io.ReadAll(io.LimitReader(reader, maxInventory)); err != nil {
			return document, fmt.Errorf("inflate inventory: %w", err)
		}
	}
	if err := json.Unmarshal(encoded, &document); err != nil {
		return document, fmt.Errorf("decode inventory: %w", err)
	}
	return document, nil
}

// order notes the layer's place. An empty inventory is not stored for that.
func (l *layerInventory) order(order int) {
	if l.Order != order {
		l.Order, l.dirty = order, l.dirty || len(l.Entries) > 0
	}
}
