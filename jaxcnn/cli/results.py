"""Commands that use a finished run: evaluate, predict, report, export."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxcnn import interop, platform, reproduction, runs
from jaxcnn.cli.evaluation import print_evaluation, show_evaluation
from jaxcnn.cli.options import later, option, print_line
from jaxcnn.cli.prediction import show_predictions
from jaxcnn.data import Normalization, parse_views
from jaxcnn.writers import PlainConsole

RunPath = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
Data = Annotated[str | None, option("DIR", "the run's own")]
TestTimeAugmentation = Annotated[str | None, option("VIEWS", "the image alone")]
Best = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Json = Annotated[bool, tyro.conf.FlagCreatePairsOff]
Format = Literal["stablehlo", "onnx", "safetensors", "web"]


@later
def evaluate(
    run: RunPath,
    *,
    data: Data = None,
    split: runs.Split = "test",
    best: Best = False,
    tta: TestTimeAugmentation = None,
    json: Json = False,
) -> None:
    """Test the network of a run: accuracy, loss, calibration, classes and confusions.

    Args:
        run: the directory of the run, or one with several runs, whose probabilities are averaged.
        data: the data, as for train.
        split: the images to test on; val and train are split as in the run.
        best: use the checkpoint with the best validation accuracy, not the newest one.
        tta: test-time augmentation: average over the views flip, shift:PIXELS or both, such as flip,shift:1.
        json: print all metrics and the confusion matrix as a JSON object.
    """
    trained = runs.open_run_or_ensemble(run, best=best, views=None if tta is None else parse_views(tta))
    platform.configure_malloc()
    platform.enable_compilation_cache()
    dataset = runs.load_common_data(trained.members, data)
    evaluation = trained.evaluate(dataset, split)
    if json:
        print_evaluation(trained, evaluation, dataset.class_names, PlainConsole(), split=split)
    else:
        show_evaluation(trained.title, evaluation, dataset.class_names, PlainConsole(), split=split)


@later
def predict(
    run: RunPath,
    images: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="IMAGE...")],
    *,
    top: Annotated[int | None, option("INT", "3, or all of fewer classes")] = None,
    background: Literal["auto", "dark", "light"] = "auto",
    json: Json = False,
    best: Best = False,
    tta: TestTimeAugmentation = None,
    explain: Annotated[Path | None, option("DIR", "no pictures")] = None,
) -> None:
    """Show which classes the network of a run predicts for image files.

    Args:
        run: the directory of the run, or one with several runs, whose probabilities are averaged.
        images: image files, and folders of them.
        top: number of classes to show, the most probable first.
        background: of the images. Fashion-MNIST images are light on a dark background; auto looks at the border.
        json: print a JSON object for each image.
        best: use the checkpoint with the best validation accuracy, not the newest one.
        tta: average the probabilities over views of each image, as for evaluate.
        explain: a new folder for pictures that explain the most probable class: Grad-CAM and input gradients.
    """
    trained = runs.open_run_or_ensemble(run, best=best, views=None if tta is None else parse_views(tta))
    platform.enable_compilation_cache()
    dark_on_light = {"auto": None, "dark": False, "light": True}[background]
    show_predictions(
        trained, images, PlainConsole(), top=top, dark_on_light=dark_on_light, as_json=json, explain=explain
    )


@later
def report(
    run: RunPath, *, data: Data = None, output: Annotated[Path | None, option("FILE", "RUN/report.html")] = None
) -> None:
    """Write an HTML page about a run, all runs in a directory, or a reproduction.

    Args:
        run: the directory of a run, one with runs in it, or that of jaxcnn reproduce; or a reproduction.json.
        data: the data, as for train. Not used for a reproduction.
        output: the HTML file.
    """
    from jaxcnn.report import write_report, write_reproduction_report  # here, because matplotlib imports slowly

    if run.is_file() or (run / reproduction.RESULTS_FILE).is_file():
        print_line(f"wrote {write_reproduction_report(run, output)}")
        return
    platform.enable_compilation_cache()
    print_line(f"wrote {write_report(run, data, output)}")


@later
def export(
    run: RunPath,
    *,
    format: Format,  # noqa: A002 -- the option
    output: Annotated[Path | None, option("FILE", "RUN/RECIPE.FORMAT, or RUN/RECIPE.html")] = None,
    best: Best = False,
) -> None:
    """Write the network of a run to a file that does not need jaxcnn.

    The logits of the file are compared with those of the run first.

    Args:
        run: the directory of the run.
        format: stablehlo and onnx contain the program, safetensors only the weights; web is a page for browsers.
        output: the file.
        best: use the checkpoint with the best validation accuracy, not the newest one.
    """
    trained = runs.TrainedRun.open(run, best=best)
    recipe, data = trained.config.recipe, trained.config.data
    path = output or run / f"{recipe.name}.{'html' if format == 'web' else format}"
    about = interop.NetworkInfo(
        recipe.title, int(trained.state.step), data.title, data.class_names, data.light_on_dark,
        None if trained.within_epoch or not trained.epochs else trained.epochs[-1].test_accuracy,
    )  # fmt: skip
    if isinstance(recipe.normalization, Normalization):
        about = replace(about, mean=recipe.normalization.mean, std=recipe.normalization.std)
    difference = interop.export_network(
        trained.state.apply_fn, trained.state.eval_variables, path, format=format, image_shape=data.image_shape,
        image_size=recipe.image_size, about=about,
    )  # fmt: skip
    size = path.stat().st_size / 1e6
    print_line(f"wrote {path}, {size:.1f} MB; its logits differ from the run's by {difference:.1e}")
