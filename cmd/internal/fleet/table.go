package fleet

import (
	"fmt"
	"strconv"
	"time"

	"branchline.dev/branchline/cmd/internal/output"
	"branchline.dev/branchline/schemas"
)

// Summary shows clusters, one a row.
func Summary(clusters []Cluster, now time.Time) output.Table {
	table := output.Table{
		Header: []string{"CLUSTER", "STATE", "GENERATION", "LAYERS", "OBJECTS", "NODES", "UPDATED", "MESSAGE"},
		Empty:  "no cluster has a desired branch in this repository: is it the tenant's, and was anything pushed?",
	}
	for _, c := range clusters {
		table.Rows = append(table.Rows, []string{
			c.Name, string(c.State), c.generation(), c.layers(), c.objects(), c.nodes(), c.age(now), c.Message,
		})
	}
	return table
}

func (c Cluster) generation() string {
	if c.Desired == 0 {
		return "-" // nothing that can be read, or believed, says so
	}
	if c.Applied == c.Desired {
		return strconv.FormatInt(c.Desired, 10)
	}
	return fmt.Sprintf("%d of %d", c.Applied, c.Desired)
}

func (c Cluster) objects() string {
	if c.Desired == 0 {
		return "-"
	}
	return strconv.Itoa(c.Objects)
}

func (c Cluster) layers() string {
	if c.Agent == nil {
		return "-"
	}
	healthy := 0
	for _, layer := range c.Agent.Layers {
		if layer.Phase == schemas.LayerHealthy {
			healthy++
		}
	}
	return fmt.Sprintf("%d/%d", healthy, len(c.Agent.Layers))
}

func (c Cluster) nodes() string {
	if c.Agent == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%d", c.Agent.Nodes.Ready, c.Agent.Nodes.Total)
}

func (c Cluster) age(now time.Time) string {
	if c.updated.IsZero() {
		return "-"
	}
	age := max(0, now.Sub(c.updated))
	switch {
	case age < 2*time.Minute:
		return fmt.Sprintf("%ds ago", int(age.Seconds()))
	case age < 2*time.Hour:
		return fmt.Sprintf("%dm ago", int(age.Minutes()))
	}
	return fmt.Sprintf("%dh ago", int(age.Hours()))
}
