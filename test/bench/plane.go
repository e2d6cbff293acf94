package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"branchline.dev/branchline/providers/local"
)

const startLimit = 2 * time.Minute

// plane is a real control plane with an administrator's client.
type plane struct {
	*local.ControlPlane
	config *rest.Config
	client *kubernetes.Clientset
}

func startPlane(ctx context.Context, b bed) (*plane, error) {
	path, err := program("branchline-controlplane")
	if err != nil {
		return nil, err
	}
	starting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	control, err := local.StartControlPlane(starting, local.ControlPlaneOptions{Dir: b.path("plane"), Program: path})
	if err != nil {
		return nil, err
	}
	config := control.RESTConfig()
	config.QPS = -1 // the API server decides, as for the agent
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, errors.Join(err, control.Stop(context.WithoutCancel(ctx)))
	}
	return &plane{control, config, client}, nil
}

func (p *plane) addNamespace(ctx context.Context, name string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := p.client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
	return err
}

// clear removes the ConfigMaps of a namespace, so that a later round finds the
// cluster as the first did.
func (p *plane) clear(ctx context.Context, namespace string) error {
	maps := p.client.CoreV1().ConfigMaps(namespace)
	if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("clear namespace %s: %w", namespace, err)
	}
	return nil
}
