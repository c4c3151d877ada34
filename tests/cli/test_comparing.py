import json

SMALL = ("--hidden", "8", "--epochs", "2", "--splits", "2", "--quiet")


def test_a_comparison_is_a_table_whose_best_model_stands_first(chainrule, tmp_path):
    said = chainrule("compare", "iris", *SMALL, "--plot", "picture.svg")
    assert said.code == 0
    assert "iris: accuracy on 2 random splits, 120 rows to learn from and 30" in said.out
    assert "nearest neighbours" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert "<svg" in (tmp_path / "picture.svg").read_text()


def test_with_json_only_a_document_stands_on_stdout(chainrule):
    said = chainrule("compare", "diabetes", *SMALL, "--metric", "mae", "--json")
    document = json.loads(said.out)
    assert document["metric"] == "mae"
    assert document["reference"] == "network"
    assert len(document["models"]) == 6


def test_wrong_usage_is_told_in_one_sentence(chainrule):
    for words, sentence in (
        (("iris", "--splits", "1"), "--splits must be a whole number of at least 2, not 1."),
        (("iris", "--metric", "rmse"), "Unknown metric of a classification 'rmse'"),
        (("iris", "--plot", "picture.bmp"), "--plot picture.bmp must end in .png, .svg or .pdf."),
        (("nowhere.csv",), "nowhere.csv"),
    ):
        said = chainrule("compare", *words, "--quiet")
        assert said.code == 2
        assert sentence in said.err
        assert len(said.err.splitlines()) == 1
        assert not said.out
