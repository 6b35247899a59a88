"""Names of cell types for AnnData in every form; what cannot be right is refused and left alone."""

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

import scbert_tools as sbt
from scbert_tools._demo import compare_labels
from scbert_tools.infer import forward
from scbert_tools.model.labels import LabelTree


@pytest.fixture
def annotated(adata, trained):
    sbt.tl.annotate(adata, model=trained)
    return adata


def everything(adata):
    """Return what an AnnData holds as plain values, to tell whether anything changed."""
    x = None if adata.X is None else sparse.csr_matrix(adata.X).toarray().tolist()
    return (x, adata.obs.to_dict(), adata.var.to_dict(), list(adata.obsm), list(adata.uns), list(adata.layers))


def same_results(one, other, key="scbert"):
    assert one.obs[f"{key}_label"].tolist() == other.obs["scbert_label"].tolist()
    ours, theirs = one.obsm[f"{key}_probabilities"], other.obsm["scbert_probabilities"]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(one.obsm[f"X_{key}"], other.obsm["X_scbert"], atol=1e-4)


def test_toy_types_are_named_with_confidence(annotated):
    assert (annotated.obs["scbert_label"] == annotated.obs["cell_type"].astype(str)).mean() > 0.95
    assert annotated.obs["scbert_confidence"].between(0.5, 1).mean() > 0.95


@pytest.mark.filterwarnings("ignore:.*not unique", "ignore:.*view", "ignore:Transforming to str")
def test_every_form_of_the_same_cells_gives_the_same_answer(form, annotated, trained):
    before = sparse.csr_matrix(form.X).toarray()
    sbt.tl.annotate(form, model=trained)
    same_results(form, annotated)
    np.testing.assert_array_equal(sparse.csr_matrix(form.X).toarray(), before)


@pytest.mark.filterwarnings("ignore:.*not unique")
def test_bad_input_is_refused_before_any_compute_and_left_alone(bad, trained, monkeypatch):
    cells, message = bad
    before = everything(cells)
    monkeypatch.setattr(forward, "read_cells", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(ValueError, match=message):
        sbt.tl.annotate(cells, model=trained)
    np.testing.assert_equal(everything(cells), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"refine": "neighbors"}, r"adata\.obsp\[.+connectivities.+\] is missing\. Run `sc\.pp\.neighbors"),
        ({"refine": "leiden"}, r"adata\.obs\[.+leiden.+\] is missing.*among .+cell_type"),
        ({"layer": "counts"}, "`layer` is .+counts.+, which is not in the data; present: X"),
    ],
    ids=["no graph", "no column", "no layer"],
)
def test_what_is_named_but_missing_is_said_before_any_compute(adata, trained, monkeypatch, options, message):
    before = everything(adata)
    monkeypatch.setattr(forward, "read_cells", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(KeyError, match=message):
        sbt.tl.annotate(adata, model=trained, **options)
    assert everything(adata) == before


def test_model_that_is_not_there_is_said(adata):
    with pytest.raises(FileNotFoundError, match="neither a shipped model .* nor a folder"):
        sbt.tl.annotate(adata, model="nowhere")


@pytest.mark.parametrize("empty", [[0], [4, 5, 29]], ids=["one", "several"])
def test_cells_without_counts_are_unassigned_with_confidence_zero(adata, trained, empty):
    x = adata.X.toarray()
    x[empty] = 0
    adata.X = sparse.csr_matrix(x)
    sbt.tl.annotate(adata, model=trained)
    assert (adata.obs["scbert_label"].iloc[empty] == "unassigned").all()
    assert (adata.obs["scbert_confidence"].iloc[empty] == 0).all()
    assert adata.obs["scbert_ontology_id"].iloc[empty].isna().all()
    assert np.isfinite(adata.obsm["scbert_probabilities"]).all(axis=None)
    assert np.isfinite(adata.obsm["X_scbert"]).all()


def test_empty_cells_do_not_change_the_others(adata, annotated, trained):
    more = ad.concat([adata, ad.AnnData(0 * adata.X[:3], var=adata.var, obs=adata.obs[:3])], index_unique="-")
    sbt.tl.annotate(more, model=trained)
    same_results(more[:30], annotated)


@pytest.mark.filterwarnings("ignore:.*not unique")
def test_duplicate_gene_names_are_summed_and_said(adata, annotated, trained):
    adata.var_names = ["CD3D", "CD3D", *adata.var_names[2:]]
    sbt.tl.annotate(adata, model=trained, key_added="twice")
    assert "1 summed" in adata.uns["twice"]["input"]["genes"]


def test_unknown_genes_beside_known_ones_change_nothing(adata, annotated, trained, rng):
    names = [*adata.var_names, *(f"XYZ{i}" for i in range(50))]
    x = sparse.hstack([adata.X, sparse.csr_matrix(rng.poisson(1.0, (30, 50)).astype(np.float32))], format="csr")
    wider = ad.AnnData(x, obs=adata.obs[["donor"]], var=pd.DataFrame(index=names))
    sbt.tl.annotate(wider, model=trained)
    same_results(wider, annotated)


@pytest.mark.parametrize("mode", ["r", "r+"])
@pytest.mark.parametrize(
    "kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_matrix.toarray], ids=["csr", "csc", "dense"]
)
def test_backed_cells_are_read_from_the_file(adata, annotated, trained, tmp_path, kind, mode):
    ad.AnnData(kind(adata.X), obs=adata.obs[["donor"]], var=adata.var).write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed=mode)
    sbt.tl.annotate(backed, model=trained)
    same_results(backed, annotated)
    assert backed.isbacked
    backed.file.close()


def test_backed_raw_is_read_from_the_file(adata, annotated, trained, tmp_path):
    scaled = ad.AnnData(np.float32(adata.X.toarray() - 5), obs=adata.obs[["donor"]], var=adata.var)
    scaled.raw = ad.AnnData(adata.X, obs=adata.obs[["donor"]], var=adata.var)
    scaled.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    sbt.tl.annotate(backed, model=trained)
    same_results(backed, annotated)
    backed.file.close()


@pytest.mark.parametrize("copy", [True, False], ids=["copy", "in place"])
def test_view_of_a_file_is_refused_before_any_compute(adata, trained, tmp_path, monkeypatch, copy):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    monkeypatch.setattr(forward, "read_cells", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(ValueError, match=r"view of a file, which cannot be written to; give `adata\.to_memory"):
        sbt.tl.annotate(backed[:10], model=trained, copy=copy)
    backed.file.close()


def test_copy_of_backed_cells_is_in_memory(adata, annotated, trained, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    done = sbt.tl.annotate(backed, model=trained, key_added="new", copy=True)
    assert "new_label" not in backed.obs
    same_results(done, annotated, "new")
    backed.file.close()


def test_copy_leaves_the_input_untouched(adata, trained):
    before = everything(adata)
    done = sbt.tl.annotate(adata, model=trained, copy=True)
    assert everything(adata) == before
    assert "scbert_label" in done.obs
    assert sbt.tl.annotate(adata, model=trained) is None


def test_another_key_keeps_both_results(annotated, trained):
    before = everything(annotated)
    sbt.tl.annotate(annotated, model=trained, key_added="second", refine="donor")
    params = {"refine": "", "layer": "", "coverage": "", "reject": "0.01"}
    assert annotated.uns["second"]["params"] == params | {"refine": "donor"}
    assert annotated.uns["scbert"]["params"] == params
    annotated.obs = annotated.obs[[name for name in annotated.obs if not name.startswith("second")]]
    del annotated.obsm["second_probabilities"], annotated.obsm["X_second"], annotated.uns["second"]
    assert str(everything(annotated)) == str(before)


@pytest.mark.parametrize("ontology", [True, False], ids=["with ontology", "without"])
def test_results_survive_a_file(adata, trained, tmp_path, ontology):
    model = trained if ontology else replace(trained, labels=LabelTree(trained.labels.parents))
    sbt.tl.annotate(adata, model=model)
    adata.write_h5ad(tmp_path / "out.h5ad")
    back = ad.read_h5ad(tmp_path / "out.h5ad")
    same_results(back, adata)
    pd.testing.assert_frame_equal(back.obsm["scbert_probabilities"], adata.obsm["scbert_probabilities"])
    assert back.obs["scbert_ontology_id"].isna().all() is np.bool_(not ontology)
    assert {n: list(x) for n, x in back.uns["scbert"]["hierarchy"].items()} == adata.uns["scbert"]["hierarchy"]
    assert back.uns["scbert"]["fingerprint"] == model.fingerprint


def test_types_of_the_results_are_as_documented(annotated, trained):
    assert isinstance(annotated.obs["scbert_label"].dtype, pd.CategoricalDtype)
    assert annotated.obs["scbert_confidence"].dtype == np.float32
    assert list(annotated.obsm["scbert_probabilities"].columns) == list(trained.classes)
    assert annotated.obsm["X_scbert"].dtype == np.float32
    np.testing.assert_allclose(annotated.obsm["scbert_probabilities"].sum(axis=1), 1, rtol=1e-5)


def test_record_says_what_was_read_and_by_which_model(annotated, trained):
    record = annotated.uns["scbert"]
    assert (record["model"], record["fingerprint"]) == ("trained", trained.fingerprint)
    assert (record["input"]["read_from"], record["input"]["scale"]) == ("X", "counts")
    assert (record["input"]["n_genes_found"], record["input"]["gene_coverage"]) == (12, 1.0)
    assert dict(zip(*record["hierarchy"].values(), strict=True))["T cell"] == "lymphocyte"


def test_ontology_follows_the_label(annotated, trained):
    pairs = annotated.obs[["scbert_label", "scbert_ontology_id"]].astype(object).drop_duplicates()
    assert all(
        trained.labels.ontology.get(label, None) == (None if pd.isna(term) else term) for label, term in pairs.values
    )


def test_neighbours_lend_their_evidence(adata, trained):
    adata.X = sparse.csr_matrix(np.where(np.arange(30)[:, None] == 0, 1, adata.X.toarray()))  # says nothing
    friends = np.zeros((30, 30))
    friends[0, 1:10] = friends[1:10, 0] = 1
    adata.obsp["connectivities"] = sparse.csr_matrix(friends)
    sbt.tl.annotate(adata, model=trained)
    sbt.tl.annotate(adata, model=trained, refine="neighbors", key_added="refined")
    assert adata.obs["refined_label"].iloc[0] == "T cell"
    alone, together = (adata.obsm[f"{key}_probabilities"]["T cell"] for key in ("scbert", "refined"))
    assert together.iloc[0] > alone.iloc[0]
    np.testing.assert_allclose(together.iloc[10:], alone.iloc[10:], rtol=1e-4, atol=1e-6)


def test_cells_of_a_cluster_get_one_label(adata, trained):
    adata.obs["cluster"] = pd.Categorical(np.where(np.arange(30) < 29, adata.obs["cell_type"], None))
    sbt.tl.annotate(adata, model=trained, refine="cluster")
    assert (adata.obs.groupby("cluster", observed=True)["scbert_label"].nunique() == 1).all()
    assert adata.obs["scbert_label"].iloc[29] == "monocyte"


def test_shipped_model_agrees_with_the_authors_on_lineages(pbmc68k):
    sbt.tl.annotate(pbmc68k)
    tree = sbt.models.load("pbmc").labels
    ours = pbmc68k.obs["scbert_label"].astype(str)
    assert set(ours) <= {*tree.names, "unassigned"}
    assert compare_labels(ours, pbmc68k.obs["bulk_labels"]).loc["all cells", "lineage"] > 0.8


def test_shipped_model_is_deterministic(pbmc68k):
    part = pbmc68k[:100].copy()
    done = [sbt.tl.annotate(part, copy=True) for _ in range(2)]
    np.testing.assert_array_equal(*(each.obsm["scbert_probabilities"] for each in done))


def test_refinement_uses_the_graph_of_a_basis_corrected_for_batches(pbmc68k):
    pbmc68k.obs["lane"] = pd.Categorical(["one", "two"] * 350)
    sbt.tl.embed(pbmc68k)
    sbt.pp.harmony(pbmc68k, "lane", basis="X_scbert", adjusted_basis="X_scbert_harmony", random_state=0)
    sc.pp.neighbors(pbmc68k, use_rep="X_scbert_harmony", random_state=0)
    sbt.tl.annotate(pbmc68k, key_added="alone")
    sbt.tl.annotate(pbmc68k, refine="neighbors", key_added="together")
    changed = pbmc68k.obs["alone_label"].astype(str) != pbmc68k.obs["together_label"].astype(str)
    assert 0 < changed.mean() < 0.5
