package agent

import (
	"fmt"
	"regexp"
	"strings"

	"branchline.dev/branchline/schemas"
)

// Names of layers end up in label values and in names of ConfigMaps.
var layerName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// checkLayers refuses names that are unusable or used twice, folders used
// twice, unknown dependencies and cycles.
func checkLayers(layers []schemas.DesiredLayer) error {
	dependsOn := map[string][]string{}
	paths := map[string]string{}
	for _, layer := range layers {
		if !layerName.MatchString(layer.Name) {
			return fmt.Errorf("layer name %q is not an RFC 1123 label", layer.Name)
		}
		if _, twice := dependsOn[layer.Name]; twice {
			return fmt.Errorf("two layers are named %s", layer.Name)
		}
		if other, twice := paths[layer.Path]; twice {
			return fmt.Errorf("layers %s and %s share the folder %s", other, layer.Name, layer.Path)
		}
		dependsOn[layer.Name], paths[layer.Path] = layer.DependsOn, layer.Name
	}
	for _, layer := range layers {
		for _, needed := range layer.DependsOn {
			if _, exists := dependsOn[needed]; !exists {
				return fmt.Errorf("layer %s depends on %s, which does not exist", layer.Name, needed)
			}
		}
	}
	_, err := dependencyOrder(layers)
	return err
}

// dependencyOrder sorts indexes of layers so that each stands behind those it
// depends on, and else in the given order.
func dependencyOrder(layers []schemas.DesiredLayer) ([]int, error) {
	order := make([]int, 0, len(layers))
	placed := map[string]bool{}
	for len(order) < len(layers) {
		before := len(order)
		for i, layer := range layers {
			if !placed[layer.Name] && allPlaced(placed, layer.DependsOn) {
				placed[layer.Name] = true
				order = append(order, i)
			}
		}
		if len(order) == before {
			return nil, fmt.Errorf("layers depend on one another in a cycle: %s", strings.Join(unplaced(layers, placed), ", "))
		}
	}
	return order, nil
}

func allPlaced(placed map[string]bool, names []string) bool {
	for _, name := range names {
		if !placed[name] {
			return false
		}
	}
	return true
}

func unplaced(layers []schemas.DesiredLayer, placed map[string]bool) []string {
	var names []string
	for _, layer := range layers {
		if !placed[layer.Name] {
			names = append(names, layer.Name)
		}
	}
	return names
}
