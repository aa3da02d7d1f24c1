package manifest_test

import (
	"fmt"

	"github.com/vodlift/vodlift/shared/manifest"
)

// A video is dropped; its route, its metadata and its sidecar say together what becomes of it.
func Example() {
	routes, err := manifest.ParseRoutes([]byte(`[{"bucket":"inbox","prefix":"team/","accounts":["douyin/team","youku/team"],"defaults":{"private":true}}]`), manifest.KnownTargets())
	if err != nil {
		panic(err)
	}
	key := "team/first_light.mp4"
	route, _ := routes.Match("inbox", key)
	metadata, err := manifest.FromMetadata(map[string]string{"vodlift-tags": "demo, light"})
	if err != nil {
		panic(err)
	}
	sidecar, err := manifest.Parse([]byte(`{"private":false,"to":["douyin/team"]}`), manifest.KnownTargets())
	if err != nil {
		panic(err)
	}
	m := manifest.Merge(route.Defaults, metadata, sidecar)
	if m.Title == "" {
		m.Title = manifest.TitleFromKey(key)
	}
	to, err := route.Choose(m)
	fmt.Println(manifest.SidecarKey(key), "|", m.Title, m.Tags, m.Private, to, err)
	// Output: team/first_light.mp4.publish.json | first light [demo light] false [douyin/team] <nil>
}
