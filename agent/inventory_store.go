package agent

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"branchline.dev/branchline/schemas"
)

const (
	inventoryPrefix   = "branchline-inventory-"
	inventoryLabel    = "branchline.dev/inventory" // name of the layer
	inventoryKey      = "inventory.json"
	inventoryGzipKey  = "inventory.json.gz"
	inventoryPageSize = 100
)

func configMaps() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
}

// inventoryStore keeps one ConfigMap a layer in the agent's namespace.
type inventoryStore struct {
	api     api
	cluster string // UID
	log     *slog.Logger
}

// load reads every layer's inventory. It fails rather than leave one out: an
// object that is not listed would never be pruned.
func (s inventoryStore) load(ctx context.Context) (inventory, error) {
	loaded := inventory{}
	options := metav1.ListOptions{LabelSelector: inventoryLabel, Limit: inventoryPageSize}
	for {
		page, err := s.api.of(configMaps(), schemas.AgentNamespace).List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("list inventories in %s: %w", schemas.AgentNamespace, err)
		}
		for _, item := range page.Items {
			if err := s.add(loaded, &item); err != nil {
				return nil, fmt.Errorf("read ConfigMap %s: %w; repair it, or delete it to give up what it lists", item.GetName(), err)
			}
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return loaded, nil
		}
	}
}

func (s inventoryStore) add(loaded inventory, item *unstructured.Unstructured) error {
	plain, _, _ := unstructured.NestedString(item.Object, "data", inventoryKey)
	encoded, _, _ := unstructured.NestedString(item.Object, "binaryData", inventoryGzipKey)
	compressed, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return fmt.Errorf("decode %s: %w", inventoryGzipKey, err)
	}
	document, err := decodeInventory(plain, compressed)
	if err != nil {
		return err
	}
	if document.Cluster != s.cluster {
		s.log.Warn("inventory of another incarnation of the cluster is left alone", "configmap", item.GetName(), "uid", document.Cluster)
		return nil
	}
	layer := loaded.layer(document.Layer)
	layer.Order = document.Order
	for _, e := range document.Objects {
		layer.Entries[e.id()] = e
	}
	return nil
}

// save stores a layer's inventory if it changed.
func (s inventoryStore) save(ctx context.Context, name string, layer *layerInventory) error {
	if !layer.dirty {
		return nil
	}
	plain, compressed, err := encodeInventory(s.cluster, name, layer)
	if err != nil {
		return fmt.Errorf("encode inventory of layer %s: %w", name, err)
	}
	object := memoryObject("ConfigMap", inventoryPrefix+name)
	object.SetLabels(map[string]string{inventoryLabel: name})
	if compressed == nil {
		object.Object["data"] = map[string]any{inventoryKey: plain}
	} else {
		object.Object["binaryData"] = map[string]any{inventoryGzipKey: base64.StdEncoding.EncodeToString(compressed)}
	}
	if _, err := s.api.apply(ctx, configMaps(), object, false); err != nil {
		return fmt.Errorf("store inventory of layer %s: %w", name, err)
	}
	layer.dirty = false
	return nil
}

// remove deletes the inventory of a layer that is gone, which must be empty.
func (s inventoryStore) remove(ctx context.Context, name string) error {
	err := s.api.of(configMaps(), schemas.AgentNamespace).Delete(ctx, inventoryPrefix+name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete inventory of layer %s: %w", name, err)
	}
	return nil
}

// memoryObject is an empty object in the agent's namespace.
func memoryObject(kind, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
	object.SetNamespace(schemas.AgentNamespace)
	object.SetName(name)
	return object
}
