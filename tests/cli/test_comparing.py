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


def test_wrong_usage_is_told_in_one_sentence(chainrule, tmp_path):
    (tmp_path / "folder.png").mkdir()
    for words, sentence in (
        (("iris", "--splits", "1"), "--splits must be a whole number of at least 2, not 1."),
        (("iris", "--metric", "rmse"), "Unknown metric of a classification 'rmse'"),
        (("iris", "--plot", "picture.bmp"), "--plot picture.bmp must end in .png, .svg or .pdf."),
        (("iris", "--plot", "nowhere/x.png"), "the folder nowhere does not exist."),
        (("iris", "--plot", "folder.png"), "--plot folder.png is a folder:"),
        (("iris", "--test", "0"), "--test is 0, but a comparison needs rows to judge by"),
        (("iris", "--optimizer", "lbfgs", "--learning-rate", "1"), "leave out --learning-rate and"),
        (
            ("wine", *SMALL, "--test", "0.99"),
            "The model 'nearest neighbours' failed on split 1, with 3 rows to learn from: Expected",
        ),
        (
            ("iris", "--metric", "roc_auc", "--test", "0.01"),
            "roc_auc needs test rows of every class, but split 1 of 10 has none of class",
        ),
        (("nowhere.csv",), "nowhere.csv"),
    ):
        said = chainrule("compare", *words, "--quiet")
        assert said.code == 2
        assert sentence in said.err
        assert len(said.err.splitlines()) == 1
        assert not said.out


def test_the_table_is_there_even_if_the_picture_cannot_be_written(chainrule, monkeypatch):
    def full(*arguments, **settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    said = chainrule("compare", "iris", *SMALL, "--plot", "picture.png")
    assert said.code == 2
    assert "nearest neighbours" in said.out
    assert said.err == (
        "chainrule: --plot picture.png cannot be written (No space left on device).\n"
    )
