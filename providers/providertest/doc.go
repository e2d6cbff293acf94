// Package providertest is the conformance suite of providers: what a user of any
// cloud may rely on. A provider's test calls Run with a Harness, about twenty
// lines that say how to open the provider and how to break things behind its
// back.
package providertest
